// Float8 with fp32 scales. `Element` is E4m3 or E5m2. Inference stores the factor of
// dequantization; training (torchao.float8) stores the factor of quantization: data are multiplied
// by it.
#pragma once

#include "formats/bf16.h"
#include "formats/dtype.h"
#include "formats/e4m3.h"
#include "formats/e5m2.h"
#include "formats/fp16.h"

namespace lowp {

// Inference: amax / max; 1 where that is 0 (a block of zeros, or underflow), so that nothing is
// divided by 0. Arithmetic Bf16 or Fp16 gives the bytes of torchao for inputs of that type.
template <class Element, class Arithmetic = Fp32>
LOWP_HD constexpr float fp8_scale(float amax) {
  const float scale = Arithmetic::round(amax / Element::kMax);
  return scale == 0.0F ? 1.0F : scale;
}

// The arithmetic chosen at run time: kF32, kBF16, kF16.
template <class Element>
LOWP_HD constexpr float fp8_scale(DType arithmetic, float amax) {
  if (arithmetic == DType::kBF16) return fp8_scale<Element, Bf16>(amax);
  if (arithmetic == DType::kF16) return fp8_scale<Element, Fp16>(amax);
  return fp8_scale<Element, Fp32>(amax);
}

// Static scale of an observed range; at least the fp32 epsilon.
template <class Element>
LOWP_HD constexpr float fp8_static_scale(float min, float max) {
  return max_or_nan(max_or_nan(absolute(min), absolute(max)) / Element::kMax, 0x1p-23F);
}

// The nearest power of two on a logarithmic scale, 2^round(log2(scale)), from the bits: the
// mantissa is compared with sqrt(2). Zero, NaN and Inf pass.
LOWP_HD constexpr float round_to_power_of_two(float scale) {
  constexpr std::uint32_t kSqrt2Mantissa = 0x3504F3;  // of sqrt(2), rounded down
  if (scale == 0.0F || !(absolute(scale) < kInf)) return scale;
  if (abs_bits(scale) < to_bits(Fp32::kSmallestNormal)) {
    // A subnormal has its leading one inside the field: normalize, round, scale back.
    return round_to_power_of_two(scale * 0x1p24F) * 0x1p-24F;
  }
  const std::uint32_t exponent = to_bits(scale) & ~kMantissaMask;
  return (to_bits(scale) & kMantissaMask) > kSqrt2Mantissa ? from_bits(exponent) * 2.0F
                                                           : from_bits(exponent);
}

// Codes and values of the inference convention. True division.
template <class Element>
LOWP_HD constexpr std::uint8_t fp8_quantize(float x, float scale) {
  return Element::from_float(x / scale);
}

template <class Element>
LOWP_HD constexpr float fp8_dequantize(std::uint8_t code, float scale) {
  return multiply(Element::to_float(code), scale);
}

// Training: max / amax in fp64, amax at least 1e-12.
template <class Element>
LOWP_HD constexpr float fp8_training_scale(float amax) {
  const auto wide = static_cast<double>(amax);
  return static_cast<float>(static_cast<double>(Element::kMax) / (wide < 1e-12 ? 1e-12 : wide));
}

// The power of two not above a positive normal scale; NaN and Inf pass. (log2 and exp2 in fp32
// would give the next higher one for some scales just below it.)
LOWP_HD constexpr float round_down_to_power_of_two(float scale) {
  return absolute(scale) < kInf ? from_bits(to_bits(scale) & ~kMantissaMask) : scale;
}

template <class Element>
LOWP_HD constexpr std::uint8_t fp8_training_quantize(float x, float scale) {
  return Element::from_float(multiply(x, scale));
}

// What a GEMM multiplies by.
LOWP_HD constexpr float fp8_training_reciprocal(float scale) { return 1.0F / scale; }

// Training's scale rounded down to a power of two, as the factor of dequantization that a GEMM
// multiplies by: x / this is x * scale, exactly.
template <class Element>
LOWP_HD constexpr float fp8_power_of_two_scale(float amax) {
  return fp8_training_reciprocal(round_down_to_power_of_two(fp8_training_scale<Element>(amax)));
}

// Training with blocks of 1x128 and 128x128: as above, but the floor of amax is the fp32 number.
// Codes are fp8_training_quantize(x, scale), the stored scale is 1 / scale.
template <class Element>
LOWP_HD constexpr float fp8_blockwise_training_scale(float amax) {
  const auto wide = static_cast<double>(max_or_nan(amax, 1e-12F));
  return static_cast<float>(static_cast<double>(Element::kMax) / wide);
}

}  // namespace lowp
