// NVFP4: e2m1 elements in blocks of 16, an e4m3 scale a block, an fp32 scale a tensor:
// x ~ element * block_scale * tensor_scale. Two recipes that differ in their bits: torchao's
// for inference, TransformerEngine's for training. NaN in a block makes its scale NaN.
#pragma once

#include <cstdint>

#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/mapping.h"

namespace lowp {

inline constexpr int kNvfp4Block = 16;
inline constexpr float kNvfp4Max = E4m3::kMax * E2m1::kMax;  // 2688
inline constexpr float kNvfp4BlockScaleFloor = 0x1p-6F;      // e4m3's smallest normal

// What the elements of a tensor are quantized with.
struct Nvfp4TensorScale {
  float decode;  // the stored scale: amax / 2688
  float encode;  // its reciprocal, as the recipe computes it
};

// Inference, from a given tensor scale: static, or 1 for the form with block scales only.
LOWP_HD constexpr Nvfp4TensorScale nvfp4_inference_scale_from(float decode) {
  return {decode, 1.0F / decode};
}

// Where amax / 2688 is 0 the scale is 1: the codes become 0, not NaN.
LOWP_HD constexpr Nvfp4TensorScale nvfp4_inference_scale(float amax) {
  const float decode = amax / kNvfp4Max;
  return nvfp4_inference_scale_from(decode == 0.0F ? 1.0F : decode);
}

LOWP_HD constexpr Nvfp4TensorScale nvfp4_training_scale(float amax) {
  const float quotient = min_or_nan(kNvfp4Max / amax, kMaxFloat);
  const bool usable = amax != 0.0F && quotient != 0.0F;
  return {amax / kNvfp4Max, usable ? quotient : 1.0F};
}

LOWP_HD constexpr Nvfp4TensorScale nvfp4_tensor_scale(Nvfp4Recipe recipe, float amax) {
  return recipe == Nvfp4Recipe::kInference ? nvfp4_inference_scale(amax)
                                           : nvfp4_training_scale(amax);
}

// The e4m3 scale of a block from its amax, at least `floor`: 2^-6 by the inference recipe; the
// training recipe has none (0), so its block scales may be 0.
LOWP_HD constexpr std::uint8_t nvfp4_block_scale(Nvfp4Recipe recipe, float amax,
                                                 Nvfp4TensorScale tensor, float floor) {
  constexpr float kSixth = 1.0F / 6.0F;
  const float scale = recipe == Nvfp4Recipe::kInference
                          ? (amax / E2m1::kMax) / tensor.decode
                          : multiply(amax, multiply(tensor.encode, kSixth));
  return E4m3::from_float(clamp_or_nan(scale, floor, E4m3::kMax));
}

// The factor of the elements. Limited to the largest float, so that 0 stays 0 where the scale is 0
// or its reciprocal overflows.
LOWP_HD constexpr float nvfp4_multiplier(Nvfp4Recipe recipe, std::uint8_t block_scale,
                                         Nvfp4TensorScale tensor) {
  const float scale = E4m3::to_float(block_scale);
  const float factor = recipe == Nvfp4Recipe::kInference
                           ? tensor.encode / scale
                           : 1.0F / multiply(scale, 1.0F / tensor.encode);
  return min_or_nan(factor, kMaxFloat);
}

LOWP_HD constexpr std::uint8_t nvfp4_quantize(float x, float multiplier) {
  return E2m1::from_float(multiply(x, multiplier));
}

// Gradients are rounded stochastically; `uniform` in [0, 1).
LOWP_HD constexpr std::uint8_t nvfp4_quantize_stochastic(float x, float multiplier, float uniform) {
  return E2m1::from_float_stochastic(multiply(x, multiplier), uniform);
}

LOWP_HD constexpr float nvfp4_dequantize(std::uint8_t code, std::uint8_t block_scale,
                                         float tensor_scale) {
  return multiply(multiply(E2m1::to_float(code), E4m3::to_float(block_scale)), tensor_scale);
}

}  // namespace lowp
