// Scales of quantized weights: the words that the decoding warps multiply by.
#pragma once

#include <cuda_runtime.h>

#include "formats/e8m0.h"
#include "kernels/linear_common/cuda_linear.h"
#include "kernels/linear_common/sm90_tiles_decode_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

// How codes become the weight.
//   kRow         one scale a row, of the product: the codes are the operand
//   kPair        code * scale in the operand's type, where that rounds once
//   kPairZero    (code - zero_point) * scale, or code * scale + zero; so too
//   kFloat       code * scale in fp32, rounded to the operand's type
//   kFloatZero   (code - zero_point) * scale + zero in fp32
enum class Scaling { kRow, kPair, kPairZero, kFloat, kFloatZero };

template <Scaling kScaling>
inline constexpr unsigned kWordsOfScale =
    kScaling == Scaling::kRow                                           ? 0
    : kScaling == Scaling::kPairZero || kScaling == Scaling::kFloatZero ? 2
                                                                        : 1;

template <class Pair>
__device__ unsigned float_to_pair(float value) {
  return Pair::from_floats(value, value);
}

// What SmallE2m1Codes lack of the numbers, less 2^8: 448 times it is finite.
template <class Pair>
inline constexpr float kNvfp4Rebias = std::is_same_v<Pair, Fp16Pair> ? 0x1p6F : 0x1p118F;
constexpr float kNvfp4RowFactor = 256.0F;

// The scale of a block whose scale is one byte.
template <CudaWeightFormat kFormat, class Pair, Scaling kScaling>
__device__ unsigned decode_scale(unsigned code) {
  if constexpr (kFormat == CudaWeightFormat::kNvfp4) {
    return float_to_pair<Pair>(Fp16Pair::to_floats(e4m3_to_fp16(code)).x * kNvfp4Rebias<Pair>);
  } else {
    const float scale = E8m0::to_float(static_cast<std::uint8_t>(code));
    return kScaling == Scaling::kPair ? float_to_pair<Pair>(scale) : __float_as_uint(scale);
  }
}

// A pair of codes times its scale. `zero_is_float`: the second word is a zero, not a zero point.
template <class Pair, Scaling kScaling>
__device__ unsigned apply_scale(unsigned codes, const unsigned* words, bool zero_is_float) {
  if constexpr (kScaling == Scaling::kRow) {
    return codes;
  } else if constexpr (kScaling == Scaling::kPair) {
    return Pair::multiply(codes, words[0]);
  } else if constexpr (kScaling == Scaling::kPairZero) {
    const unsigned shifted = Pair::add(codes, zero_is_float ? 0U : words[1]);
    return Pair::multiply_add(shifted, words[0], zero_is_float ? words[1] : 0U);
  } else {
    float2 values = Pair::to_floats(codes);
    const float scale = __uint_as_float(words[0]);
    if constexpr (kScaling == Scaling::kFloatZero) {
      const float second = __uint_as_float(words[1]);
      const float zero_point = zero_is_float ? 0.0F : second;
      const float zero = zero_is_float ? second : 0.0F;
      values.x = __fadd_rn(__fmul_rn(__fadd_rn(values.x, zero_point), scale), zero);
      values.y = __fadd_rn(__fmul_rn(__fadd_rn(values.y, zero_point), scale), zero);
    } else {
      values.x = __fmul_rn(values.x, scale);
      values.y = __fmul_rn(values.y, scale);
    }
    return Pair::from_floats(values.x, values.y);
  }
}

}  // namespace
}  // namespace lowp::kernels::tiles
