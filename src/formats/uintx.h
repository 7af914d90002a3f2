// Unsigned 1- to 7-bit weights with a float offset (torchao's layout for Metal):
// x ~ scale * code + zero.
#pragma once

#include "formats/affine.h"

namespace lowp {

struct UintxParams {
  float scale;
  float zero_point;  // integral, not clamped
  float zero;        // what is stored: -zero_point * scale
};

// A constant group has scale 1 and its value as zero; all its codes are 0.
LOWP_HD constexpr UintxParams choose_uintx_params(float min, float max, int bits) {
  if (min == max) return {1.0F, -round_even(min), min};
  const float scale = (max - min) / static_cast<float>(unsigned_range(bits).max);
  const float zero_point = -round_even(min / scale);
  return {scale, zero_point, multiply(-zero_point, scale)};
}

LOWP_HD constexpr int uintx_quantize(float x, UintxParams params, int bits) {
  return clamp_to_int(add(round_even(x / params.scale), params.zero_point), unsigned_range(bits));
}

LOWP_HD constexpr float uintx_dequantize(int code, UintxParams params) {
  return add(multiply(params.scale, static_cast<float>(code)), params.zero);
}

}  // namespace lowp
