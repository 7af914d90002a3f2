// Affine integer quantization: x ~ (code - zero_point) * scale, or code * scale + zero.
// Formulas of torchao (quant_primitives). "Arithmetic" is the type that torch would compute in:
// every elementary operation is done in fp32 and rounded to it. A NaN in a block makes its scale
// NaN and its codes the zero point; Inf makes the scale Inf.
#pragma once

#include "formats/bf16.h"
#include "formats/dtype.h"
#include "formats/fp16.h"
#include "formats/integers.h"
#include "formats/mapping.h"

namespace lowp {

struct AffineParams {
  float scale;
  int zero_point;
};

struct FloatZeroParams {
  float scale;
  float zero;
};

// torchao's floor of int8 scales, whatever the arithmetic.
inline constexpr float kFp32Epsilon = 0x1p-23F;

// Scale and zero point of a block whose values lie in [min, max], NaN if one of them is. `mapping`
// is any but kFloatZero. Scales are at least `epsilon`; a side of the range whose bound is code 0
// does not count in kSymmetricNoClippingError.
template <class Arithmetic = Fp32>
LOWP_HD constexpr AffineParams choose_affine_params(float min, float max, Mapping mapping,
                                                    IntRange range, float epsilon) {
  using A = Arithmetic;
  const auto low = static_cast<float>(range.min);
  const auto high = static_cast<float>(range.max);
  const float floor = A::round(epsilon);
  if (mapping != Mapping::kAsymmetricZeroNotPreserved) {
    min = min_or_nan(min, 0.0F);
    max = max_or_nan(max, 0.0F);
  }
  float scale = 0.0F;
  switch (mapping) {
    case Mapping::kSymmetric:
      scale = A::round(max_or_nan(-min, max) / ((high - low) / 2.0F));
      break;
    case Mapping::kSymmetricNoClippingError:
      if (low != 0.0F) scale = A::round(min / low);
      if (high != 0.0F) scale = max_or_nan(scale, A::round(max / high));
      break;
    default:
      scale = A::round(A::round(max - min) / (high - low));
      break;
  }
  scale = max_or_nan(scale, floor);
  if (mapping == Mapping::kSymmetric || mapping == Mapping::kSymmetricNoClippingError) {
    return {scale, (range.max + range.min + 1) / 2};
  }
  const float steps = round_even(A::round(min / scale));
  return {scale, clamp_to_int(A::round(low - steps), range, clamp_to_int(0.0F, range))};
}

// The arithmetic chosen at run time: kF32, kBF16, kF16.
LOWP_HD constexpr AffineParams choose_affine_params(DType arithmetic, float min, float max,
                                                    Mapping mapping, IntRange range,
                                                    float epsilon) {
  if (arithmetic == DType::kBF16) {
    return choose_affine_params<Bf16>(min, max, mapping, range, epsilon);
  }
  if (arithmetic == DType::kF16) {
    return choose_affine_params<Fp16>(min, max, mapping, range, epsilon);
  }
  return choose_affine_params<Fp32>(min, max, mapping, range, epsilon);
}

// torchao multiplies by the reciprocal, which differs from dividing in the last bit.
template <class Arithmetic = Fp32>
LOWP_HD constexpr float affine_reciprocal(float scale) {
  return Arithmetic::round(1.0F / scale);
}

// Integer zero point, or none (0). Arithmetic: the wider of x's and the scale's type.
template <class Arithmetic = Fp32>
LOWP_HD constexpr int affine_quantize(float x, float reciprocal_scale, int zero_point,
                                      IntRange range) {
  using A = Arithmetic;
  const float steps = round_even(A::round(multiply(x, reciprocal_scale)));
  return clamp_to_int(A::round(add(steps, static_cast<float>(zero_point))), range, zero_point);
}

// The value in fp32, exact for a 16-bit scale; round it to the output's type.
LOWP_HD constexpr float affine_dequantize(int code, float scale, int zero_point) {
  return multiply(static_cast<float>(code - zero_point), scale);
}

// The code whose value is the float zero: half of the range, rounded up.
LOWP_HD constexpr float float_zero_midpoint(IntRange range) {
  return static_cast<float>(range.max + range.min + 1) / 2.0F;
}

// Float zero point as tinygemm has it: value = (code - midpoint) * scale + zero.
template <class Arithmetic = Fp32>
LOWP_HD constexpr FloatZeroParams choose_float_zero_params(float min, float max, IntRange range,
                                                           float epsilon) {
  using A = Arithmetic;
  const auto span = static_cast<float>(range.max - range.min);
  const float scale = max_or_nan(A::round(A::round(max - min) / span), A::round(epsilon));
  const float shift = A::round(multiply(scale, float_zero_midpoint(range)));
  return {scale, A::round(add(min, shift))};
}

template <class Arithmetic = Fp32>
LOWP_HD constexpr int float_zero_quantize(float x, FloatZeroParams params, IntRange range) {
  using A = Arithmetic;
  const float shift = A::round(multiply(params.scale, float_zero_midpoint(range)));
  const float min = A::round(add(params.zero, -shift));
  return clamp_to_int(round_even(A::round(A::round(add(x, -min)) / params.scale)), range,
                      clamp_to_int(float_zero_midpoint(range), range));
}

// Arithmetic: the output's type.
template <class Arithmetic = Fp32>
LOWP_HD constexpr float float_zero_dequantize(int code, FloatZeroParams params, IntRange range) {
  using A = Arithmetic;
  const float steps = A::round(static_cast<float>(code) - float_zero_midpoint(range));
  return A::round(add(A::round(multiply(steps, params.scale)), params.zero));
}

// int4 weights for bf16 activations (torchao's Int4Tensor): fp32 throughout, codes -8 to 7 against
// the unrounded scale and minimum; scale and zero are rounded only when they are stored.
LOWP_HD constexpr FloatZeroParams int4_float_zero_params(float min, float max) {
  const float scale = max_or_nan(max - min, 1e-6F) / 15.0F;
  return {scale, add(min, multiply(8.0F, scale))};
}

LOWP_HD constexpr int int4_float_zero_quantize(float x, float min, float scale) {
  return clamp_to_int(round_even((x - min) / scale), unsigned_range(4), 8) - 8;
}

LOWP_HD constexpr float int4_float_zero_dequantize(int code, FloatZeroParams params) {
  return add(multiply(static_cast<float>(code), params.scale), params.zero);
}

// int4 weights for float8 activations: no zero point, and the division is a true one.
LOWP_HD constexpr float int4_fp8_scale(float amax) { return max_or_nan(amax, 1e-6F) / 8.0F; }

LOWP_HD constexpr int int4_fp8_quantize(float x, float scale) {
  return clamp_to_int(round_even(x / scale), kInt4);
}

}  // namespace lowp
