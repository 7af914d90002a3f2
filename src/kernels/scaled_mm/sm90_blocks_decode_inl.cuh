// Elements of MX and NVFP4 to pairs of bf16. A lane decodes 16 consecutive elements of a row at a
// time, a chunk: of 64 columns, chunk c. Both operands take them in the same order, so the order
// need not be theirs: pair h of wgmma s is pair (s, h) of the chunk.
#pragma once

#include "kernels/linear_common/sm90_tiles_decode_inl.cuh"

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

}  // namespace
}  // namespace lowp::kernels::blocks
