#include "formats/mx.h"

#include <gtest/gtest.h>

namespace lowp {
namespace {

constexpr MxScaleMode kModes[] = {MxScaleMode::kFloor, MxScaleMode::kCeil, MxScaleMode::kEven,
                                  MxScaleMode::kRceil};

template <class Element>
constexpr int exponent(float amax, MxScaleMode mode) {
  return mx_scale<Element>(abs_bits(amax), mode) - 127;
}

// 1.75 * 2^8 is e4m3's largest number; a bit more needs the next scale.
static_assert(exponent<E4m3>(448.0F, MxScaleMode::kFloor) == 0);
static_assert(exponent<E4m3>(448.0F, MxScaleMode::kCeil) == 1);
static_assert(exponent<E4m3>(448.0F, MxScaleMode::kEven) == 0);
static_assert(exponent<E4m3>(448.0F, MxScaleMode::kRceil) == 0);
static_assert(exponent<E4m3>(448.00003F, MxScaleMode::kFloor) == 0);
static_assert(exponent<E4m3>(448.00003F, MxScaleMode::kRceil) == 1);
// With three mantissa bits 1.9375 rounds to 2.
static_assert(exponent<E4m3>(495.99F, MxScaleMode::kEven) == 0);
static_assert(exponent<E4m3>(496.0F, MxScaleMode::kEven) == 1);
static_assert(exponent<E2m3>(7.5F, MxScaleMode::kRceil) == 0);
static_assert(exponent<E2m1>(6.0F, MxScaleMode::kRceil) == 0);
static_assert(exponent<E2m1>(7.0F, MxScaleMode::kRceil) == 1);

template <class Format>
class Mx : public testing::Test {};
using Elements = testing::Types<E4m3, E5m2, E2m3, E3m2, E2m1>;
TYPED_TEST_SUITE(Mx, Elements);

TYPED_TEST(Mx, EdgesOfTheScale) {
  for (const MxScaleMode mode : kModes) {
    EXPECT_EQ(mx_scale<TypeParam>(0, mode), 0);
    EXPECT_EQ(mx_scale<TypeParam>(1, mode), 0);
    EXPECT_EQ(mx_scale<TypeParam>(kMantissaMask, mode), 0);
    EXPECT_EQ(mx_scale<TypeParam>(kInfBits, mode), 255);
    EXPECT_EQ(mx_scale<TypeParam>(abs_bits(kNaN), mode), 255);
  }
  const int top = 127 - TypeParam::kEmax;
  EXPECT_EQ(exponent<TypeParam>(kMaxFloat, MxScaleMode::kFloor), top);
  EXPECT_EQ(exponent<TypeParam>(kMaxFloat, MxScaleMode::kCeil), top + 1);
  EXPECT_EQ(exponent<TypeParam>(kMaxFloat, MxScaleMode::kRceil), top + 1);
  EXPECT_EQ(mx_scale<TypeParam>(abs_bits(kMaxFloat), MxScaleMode::kEven), 255);
}

// The value just over max * 2^-127: a product with 1 / max, as torchao has it, gives byte 0.
TYPED_TEST(Mx, RceilAtTheBottomOfTheRange) {
  const float largest = TypeParam::kMax * 0x1p-127F;
  EXPECT_EQ(mx_scale<TypeParam>(to_bits(largest), MxScaleMode::kRceil), 0);
  EXPECT_EQ(mx_scale<TypeParam>(to_bits(largest) + 1, MxScaleMode::kRceil), 1);
}

TYPED_TEST(Mx, ElementsSurviveAtEveryScale) {
  for (int byte = 0; byte < 255; ++byte) {
    const auto scale = static_cast<std::uint8_t>(byte);
    for (int code = 0; code <= TypeParam::kMaxCode; ++code) {
      const auto element = static_cast<std::uint8_t>(code);
      const float value = mx_dequantize<TypeParam>(element, E8m0::to_float(scale));
      // Exact where fp32 holds the product, and then the code comes back.
      if (value > kMaxFloat || value < Fp32::kSmallestNormal) continue;
      EXPECT_EQ(mx_quantize<TypeParam>(value, E8m0::reciprocal(scale)), element);
    }
    EXPECT_EQ(mx_quantize<TypeParam>(kMaxFloat, E8m0::reciprocal(0)), TypeParam::kMaxCode);
  }
}

TEST(MxElement, IsChosenByItsDtype) {
  int bits = 0;
  const auto take = [&](auto element) { bits = decltype(element)::kBits; };
  EXPECT_TRUE(with_mx_element(DType::kF6E3M2, take));
  EXPECT_EQ(bits, 6);
  EXPECT_FALSE(with_mx_element(DType::kI8, take));
}

}  // namespace
}  // namespace lowp
