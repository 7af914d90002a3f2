#include "formats/nvfp4.h"

#include <gtest/gtest.h>

namespace lowp {
namespace {

constexpr Nvfp4TensorScale kOne = nvfp4_inference_scale(2688.0F);
static_assert(kOne.decode == 1.0F && kOne.encode == 1.0F);
static_assert(nvfp4_block_scale(Nvfp4Recipe::kInference, 6.0F, kOne, 0x1p-6F) == 0x38);

TEST(Nvfp4, FloorOfTheBlockScaleIsAParameter) {
  const auto scale = [](float amax, float floor) {
    return E4m3::to_float(nvfp4_block_scale(Nvfp4Recipe::kInference, amax, kOne, floor));
  };
  EXPECT_EQ(scale(0.01F, kNvfp4BlockScaleFloor), 0x1p-6F);
  EXPECT_EQ(scale(0.0F, kNvfp4BlockScaleFloor), 0x1p-6F);
  EXPECT_EQ(scale(0.0F, 0x1p-9F), 0x1p-9F);
  EXPECT_EQ(scale(0.024F, 0.0F), 0x1p-8F);
  EXPECT_EQ(scale(1e30F, kNvfp4BlockScaleFloor), 448.0F);
}

TEST(Nvfp4, LargestElementOfTheLargestBlockIsExact) {
  for (const Nvfp4Recipe recipe : {Nvfp4Recipe::kInference, Nvfp4Recipe::kTraining}) {
    const float amax = 42.0F;
    const Nvfp4TensorScale tensor = nvfp4_tensor_scale(recipe, amax);
    const std::uint8_t block = nvfp4_block_scale(recipe, amax, tensor, 0.0F);
    EXPECT_EQ(block, E4m3::kMaxCode);
    const float multiplier = nvfp4_multiplier(recipe, block, tensor);
    EXPECT_EQ(nvfp4_quantize(amax, multiplier), 0x7);
    EXPECT_EQ(nvfp4_quantize(-amax, multiplier), 0xF);
    EXPECT_EQ(nvfp4_dequantize(0x7, block, tensor.decode), amax);
    EXPECT_EQ(nvfp4_quantize_stochastic(amax, multiplier, 0.99F), 0x7);
  }
}

TEST(Nvfp4, TinyTensorsStayFinite) {
  // From amaxes whose scale or its reciprocal leaves fp32, down to zero.
  for (const float amax : {0.0F, 0x1p-149F, 0x1p-140F, 0x1p-127F, 0x1p-118F, 0x1p-100F}) {
    for (const Nvfp4Recipe recipe : {Nvfp4Recipe::kInference, Nvfp4Recipe::kTraining}) {
      const Nvfp4TensorScale tensor = nvfp4_tensor_scale(recipe, amax);
      const std::uint8_t block = nvfp4_block_scale(recipe, amax, tensor, 0.0F);
      const float multiplier = nvfp4_multiplier(recipe, block, tensor);
      EXPECT_EQ(nvfp4_quantize(0.0F, multiplier), 0) << amax;
      const float value = nvfp4_dequantize(nvfp4_quantize(amax, multiplier), block, tensor.decode);
      EXPECT_LE(value, 2 * amax) << amax;
    }
  }
}

TEST(Nvfp4, HugeAndUndefinedTensors) {
  const Nvfp4TensorScale infinite = nvfp4_training_scale(kInf);
  EXPECT_EQ(infinite.encode, 1.0F);
  EXPECT_TRUE(is_nan(nvfp4_training_scale(kNaN).encode));
  EXPECT_TRUE(is_nan(nvfp4_inference_scale(kNaN).decode));
  EXPECT_EQ(nvfp4_training_scale(0.0F).encode, 1.0F);
  EXPECT_EQ(nvfp4_training_scale(0x1p-149F).encode, kMaxFloat);
}

}  // namespace
}  // namespace lowp
