#include "formats/fp8_scale.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lowp {
namespace {

static_assert(fp8_scale<E4m3>(448.0F) == 1.0F && fp8_scale<E4m3>(0.0F) == 1.0F);
static_assert(fp8_training_scale<E5m2>(57344.0F) == 1.0F);
static_assert(round_to_power_of_two(0x1.6A09E6p5F) == 32.0F);  // sqrt(2) rounded down
static_assert(round_to_power_of_two(0x1.6A09E8p5F) == 64.0F);

TEST(Fp8Scale, ArithmeticOfTheInput) {
  EXPECT_EQ(fp8_scale<E4m3>(1.0F), 1.0F / 448.0F);
  EXPECT_EQ(fp8_scale<E4m3>(DType::kBF16, 1.0F), Bf16::round(1.0F / 448.0F));
  EXPECT_EQ(fp8_scale<E4m3>(DType::kF16, 1.0F), Fp16::round(1.0F / 448.0F));
}

TEST(Fp8Scale, UnderflowIsOne) {
  EXPECT_EQ(fp8_scale<E4m3>(0x1p-149F), 1.0F);
  EXPECT_EQ(fp8_scale<E4m3>(DType::kF16, 0x1p-24F), 1.0F);
}

TEST(Fp8Scale, StaticScaleHasAFloor) {
  EXPECT_EQ(fp8_static_scale<E4m3>(-896.0F, 448.0F), 2.0F);
  EXPECT_EQ(fp8_static_scale<E4m3>(0.0F, 0.0F), 0x1p-23F);
  EXPECT_EQ(fp8_static_scale<E4m3>(0.0F, 1.0F), 1.0F / 448.0F);  // softmax
  EXPECT_TRUE(is_nan(fp8_static_scale<E4m3>(kNaN, 1.0F)));
}

TEST(Fp8Scale, NearestPowerOfTwoOverAllExponents) {
  for (int exponent = -149; exponent <= 127; ++exponent) {
    EXPECT_EQ(round_to_power_of_two(power_of_two(exponent)), power_of_two(exponent));
  }
  for (int exponent = -126; exponent <= 126; ++exponent) {
    EXPECT_EQ(round_to_power_of_two(std::ldexp(1.41F, exponent)), power_of_two(exponent));
    EXPECT_EQ(round_to_power_of_two(std::ldexp(1.42F, exponent)), power_of_two(exponent + 1));
  }
  EXPECT_EQ(round_to_power_of_two(from_bits(3)), from_bits(4));  // log2(3) = 1.58
  EXPECT_EQ(round_to_power_of_two(kInf), kInf);
  EXPECT_EQ(round_to_power_of_two(0.0F), 0.0F);
}

TEST(Fp8Scale, Training) {
  EXPECT_EQ(fp8_training_scale<E4m3>(0.0F), static_cast<float>(448.0 / 1e-12));
  EXPECT_EQ(fp8_training_scale<E4m3>(kInf), 0.0F);
  EXPECT_TRUE(is_nan(fp8_training_scale<E4m3>(kNaN)));
  EXPECT_EQ(round_down_to_power_of_two(0x1.FFFFFEp9F), 512.0F);
  EXPECT_TRUE(is_nan(round_down_to_power_of_two(kNaN)));
  EXPECT_EQ(fp8_training_quantize<E4m3>(2.0F, 224.0F), 0x7E);
  EXPECT_EQ(fp8_training_reciprocal(4.0F), 0.25F);
  // The two floors differ: 1e-12 as a double, and as a float.
  EXPECT_EQ(fp8_blockwise_training_scale<E4m3>(0.0F),
            static_cast<float>(448.0 / static_cast<double>(1e-12F)));
}

TEST(Fp8Scale, AScaledBlockReachesTheLargestNumber) {
  for (float amax : {1e-30F, 0.1F, 3.0F, 1e30F}) {
    const float scale = fp8_scale<E4m3>(amax);
    EXPECT_EQ(fp8_quantize<E4m3>(amax, scale), 0x7E);
    EXPECT_EQ(fp8_quantize<E4m3>(-amax, scale), 0xFE);
    EXPECT_NEAR(fp8_dequantize<E4m3>(0x7E, scale), amax, amax * 0x1p-22F);
  }
}

}  // namespace
}  // namespace lowp
