// Integer weights that are trained: int8 rows and BitNet b1.58 (torchao's quantized_training).
#pragma once

#include "formats/affine.h"

namespace lowp {

// int8 rows: scale = amax / 127 in the input's type.
template <class Arithmetic = Fp32>
LOWP_HD constexpr float int8_training_scale(float amax) {
  return Arithmetic::round(amax / 127.0F);
}

// 1 / scale in fp32; a row of zeros must not divide by 0. BitNet's activations have `floor` 1e-5.
LOWP_HD constexpr float int8_training_reciprocal(float scale, float floor = 1e-12F) {
  return 1.0F / max_or_nan(scale, floor);
}

LOWP_HD constexpr int int8_training_quantize(float x, float reciprocal) {
  return clamp_to_int(round_even(multiply(x, reciprocal)), kInt8);
}

// For updates: `uniform` in [0, 1).
LOWP_HD constexpr int int8_training_quantize_stochastic(float x, float reciprocal, float uniform) {
  return round_stochastic(multiply(x, reciprocal), uniform, kInt8);
}

// BitNet's weights: `scale` is the mean of |w| over the tensor.
LOWP_HD constexpr int bitnet_quantize(float w, float scale) {
  return clamp_to_int(round_even(w / max_or_nan(scale, 1e-5F)), kTernary);
}

}  // namespace lowp
