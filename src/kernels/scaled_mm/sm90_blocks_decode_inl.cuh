// Elements of MX and NVFP4 to pairs of bf16. A lane decodes 16 consecutive elements of a row at a
// time, a chunk: of 64 columns, chunk c. Both operands take them in the same order, so the order
// need not be theirs: pair h of wgmma s is pair (s, h) of the chunk.
#pragma once

#include "formats/swizzle.h"
#include "kernels/linear_common/sm90_tiles_decode_inl.cuh"
#include "kernels/scaled_mm/scaled_mm.h"

namespace lowp::kernels::blocks {
namespace {

using tiles::Bf16Pair;
using tiles::Fp16Pair;

__device__ inline unsigned fp16_to_bf16(unsigned pair) {
  const float2 values = Fp16Pair::to_floats(pair);
  return Bf16Pair::from_floats(values.x, values.y);
}

// 4 words a chunk. Pair (s, h): elements 4s + 2h, 4s + 2h + 1.
struct E4m3Chunk {
  static constexpr unsigned kWords = 4;
  __device__ static unsigned pair(const unsigned (&words)[4], unsigned s, unsigned h) {
    return fp16_to_bf16(tiles::e4m3_to_fp16(h == 0 ? words[s] : words[s] >> 16));
  }
};

// The upper byte of an fp16.
struct E5m2Chunk {
  static constexpr unsigned kWords = 4;
  __device__ static unsigned pair(const unsigned (&words)[4], unsigned s, unsigned h) {
    return fp16_to_bf16(__byte_perm(words[s], 0, h == 0 ? 0x1404 : 0x3424));
  }
};

// 2 words a chunk. Pair (s, h): elements t and t + 4 of word s / 2, t = 2 (s % 2) + h.
struct E2m1Chunk {
  static constexpr unsigned kWords = 2;
  __device__ static unsigned pair(const unsigned (&words)[2], unsigned s, unsigned h) {
    const unsigned upper = words[s / 2] << (12 - 4 * (s % 2 * 2 + h));
    const unsigned magnitude = (upper >> 6) & 0x01C001C0U;
    return Bf16Pair::multiply(tiles::and_or(upper, 0x80008000U, magnitude), 0x7E807E80U);  // 2^126
  }
};

struct Scales {
  const std::uint8_t* data;
  std::int64_t row_stride;
  std::int64_t block_stride;
  std::int64_t batch_stride;
  unsigned rows;
  unsigned swizzled_cols;  // 0: plain
  bool vectors;            // the scales of a stage are one aligned word
};

inline bool is_aligned(const void* pointer, std::uintptr_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

inline Scales scales_of(const ScaledOperand& operand, const ScaledMmArgs& args, std::int64_t rows) {
  const bool is_nvfp4 = operand.recipe == ScaleRecipe::k1x16;
  const std::int64_t cols = args.k / (is_nvfp4 ? 16 : 32);
  const std::int64_t of_stage = is_nvfp4 ? 4 : 2;
  const bool whole = cols % of_stage == 0;
  const bool aligned = whole && is_aligned(operand.scale, static_cast<std::uintptr_t>(of_stage)) &&
                       operand.scale_batch_stride % of_stage == 0;
  const bool rows_aligned = operand.swizzled || (operand.scale_row_stride % of_stage == 0 &&
                                                 operand.scale_block_stride == 1);
  return {
      .data = static_cast<const std::uint8_t*>(operand.scale),
      .row_stride = operand.scale_row_stride,
      .block_stride = operand.scale_block_stride,
      .batch_stride = operand.scale_batch_stride,
      .rows = static_cast<unsigned>(rows),
      .swizzled_cols = operand.swizzled ? static_cast<unsigned>(cols) : 0,
      .vectors = aligned && rows_aligned,
  };
}

// The place of a row's scales from the `first` on.
__device__ inline std::int64_t scale_place(const Scales& scales, unsigned row, unsigned first) {
  row = min(row, scales.rows - 1);
  return scales.swizzled_cols != 0 ? swizzle_offset(row, first, scales.swizzled_cols)
                                   : row * scales.row_stride + first * scales.block_stride;
}

// Scale `i` of a word, as two equal bf16. What lies behind the last column is 0 / 2^-127 times 0.
template <bool kIsNvfp4>
__device__ unsigned scale_pair(unsigned bytes, unsigned i) {
  const unsigned code = (bytes >> 8 * i) & 0xFFU;
  if constexpr (kIsNvfp4) {
    return tiles::e4m3_to_pair<Bf16Pair>(code | code << 8);
  } else {
    const unsigned half = code == 0xFFU ? 0x7FC0U : (code == 0 ? 0x0040U : code << 7);
    return half * 0x00010001U;
  }
}

}  // namespace
}  // namespace lowp::kernels::blocks
