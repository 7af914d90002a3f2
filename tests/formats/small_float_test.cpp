// Floating-point elements against values of the OCP tables. All 2^32 inputs: tests/oracle.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "formats/bf16.h"
#include "formats/e2m1.h"
#include "formats/e2m3.h"
#include "formats/e3m2.h"
#include "formats/e4m3.h"
#include "formats/e5m2.h"
#include "formats/e8m0.h"
#include "formats/fp16.h"

namespace lowp {
namespace {

// Constant expressions, every one of them.
static_assert(E4m3::to_float(0x7E) == 448.0F && E4m3::to_float(0x01) == 0x1p-9F);
static_assert(E4m3::from_float(464.0F) == 0x7E && E4m3::from_float(-1e30F) == 0xFE);
static_assert(E5m2::to_float(0x7B) == 57344.0F && E5m2::to_float(0x7C) == kInf);
static_assert(E5m2::from_float(kInf) == 0x7B && E5m2::from_float(0x1p-17F) == 0);
static_assert(E2m3::to_float(0x1F) == 7.5F && E2m3::to_float(0x01) == 0.125F);
static_assert(E3m2::to_float(0x1F) == 28.0F && E3m2::to_float(0x01) == 0.0625F);
static_assert(E2m1::to_float(0x7) == 6.0F && E2m1::to_float(0x9) == -0.5F);
static_assert(E8m0::to_float(0) == 0x1p-127F && E8m0::to_float(254) == 0x1p127F);
static_assert(Bf16::from_float(1.0F) == 0x3F80 && Fp16::from_float(1.0F) == 0x3C00);

template <class Format>
class Element : public testing::Test {};
using Elements = testing::Types<E4m3, E5m2, E2m3, E3m2, E2m1>;
TYPED_TEST_SUITE(Element, Elements);

TYPED_TEST(Element, EveryFiniteCodeSurvives) {
  for (int code = 0; code < 1 << TypeParam::kBits; ++code) {
    const float value = TypeParam::to_float(static_cast<std::uint8_t>(code));
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(TypeParam::from_float(value), code);
  }
}

TYPED_TEST(Element, MidpointsGoToTheEvenCode) {
  for (int code = 0; code < TypeParam::kMaxCode; ++code) {
    const float low = TypeParam::to_float(static_cast<std::uint8_t>(code));
    const float high = TypeParam::to_float(static_cast<std::uint8_t>(code + 1));
    const float middle = (low + high) / 2;
    EXPECT_EQ(TypeParam::from_float(middle), code + code % 2) << middle;
    EXPECT_EQ(TypeParam::from_float(std::nextafter(middle, low)), code);
    EXPECT_EQ(TypeParam::from_float(std::nextafter(middle, high)), code + 1);
  }
}

TYPED_TEST(Element, SaturatesAndKeepsTheSign) {
  const int sign = 1 << (TypeParam::kBits - 1);
  for (float x : {TypeParam::kMax, TypeParam::kMax * 1.01F, 1e30F, kInf}) {
    EXPECT_EQ(TypeParam::from_float(x), TypeParam::kMaxCode);
    EXPECT_EQ(TypeParam::from_float(-x), TypeParam::kMaxCode | sign);
  }
  EXPECT_EQ(TypeParam::from_float(0.0F), 0);
  EXPECT_EQ(TypeParam::from_float(-0.0F), sign);
  EXPECT_EQ(TypeParam::from_float(-0x1p-149F), sign);
  EXPECT_TRUE(std::signbit(TypeParam::to_float(static_cast<std::uint8_t>(sign))));
}

TYPED_TEST(Element, ConstantsAgreeWithTheCodes) {
  EXPECT_EQ(TypeParam::to_float(TypeParam::kMaxCode), TypeParam::kMax);
  EXPECT_EQ(std::ilogb(TypeParam::kMax), TypeParam::kEmax);
  EXPECT_EQ(to_bits(TypeParam::kMax) & kMantissaMask, TypeParam::kMaxMantissa);
}

TEST(SmallFloat, NaN) {
  EXPECT_EQ(E4m3::from_float(kNaN), 0x7F);
  EXPECT_EQ(E4m3::from_float(-kNaN), 0xFF);
  EXPECT_EQ(E5m2::from_float(-kNaN), 0xFF);
  for (int code : {0x7D, 0x7E, 0x7F, 0xFD}) {
    EXPECT_TRUE(is_nan(E5m2::to_float(static_cast<std::uint8_t>(code))));
  }
  // No NaN code: the largest number, whatever the sign.
  EXPECT_EQ(E2m1::from_float(-kNaN), 0x7);
  EXPECT_EQ(E2m3::from_float(-kNaN), 0x1F);
  EXPECT_EQ(E3m2::from_float(kNaN), 0x1F);
  EXPECT_TRUE(is_nan(E8m0::to_float(255)) && is_nan(E8m0::reciprocal(255)));
}

TEST(SmallFloat, HighBitsOfSubByteCodesAreIgnored) {
  EXPECT_EQ(E2m1::to_float(0xF3), 1.5F);
  EXPECT_EQ(E2m3::to_float(0xC8), 1.0F);
}

TEST(SmallFloat, ScaleBytesAndTheirReciprocals) {
  for (int byte = 0; byte < 255; ++byte) {
    const auto code = static_cast<std::uint8_t>(byte);
    EXPECT_EQ(E8m0::to_float(code), std::ldexp(1.0F, byte - 127));
    EXPECT_EQ(E8m0::reciprocal(code), std::ldexp(1.0F, 127 - byte));
    EXPECT_EQ(E8m0::from_exponent(byte - 127), code);
  }
  EXPECT_EQ(E8m0::from_exponent(-300), 0);
  EXPECT_EQ(E8m0::from_exponent(300), 254);
}

TEST(SmallFloat, SixteenBits) {
  EXPECT_EQ(Bf16::from_float(0x1.01p0F), 0x3F80);  // tie, to even
  EXPECT_EQ(Bf16::from_float(0x1.03p0F), 0x3F82);
  EXPECT_EQ(Bf16::from_float(kMaxFloat), 0x7F80);
  EXPECT_EQ(Bf16::from_float(from_bits(0xFF800001)), 0xFFC0);
  EXPECT_EQ(Fp16::from_float(65519.996F), 0x7BFF);
  EXPECT_EQ(Fp16::from_float(65520.0F), 0x7C00);
  EXPECT_EQ(Fp16::from_float(0x1p-25F), 0);
  EXPECT_EQ(Fp16::from_float(0x1.8p-25F), 1);
  EXPECT_EQ(Fp16::from_float(from_bits(0xFF802000)), 0xFE01);
  for (int code = 0; code <= 0xFFFF; ++code) {
    const auto bits = static_cast<std::uint16_t>(code);
    const float fp16 = Fp16::to_float(bits);
    const float bf16 = Bf16::to_float(bits);
    // NaN turns quiet.
    EXPECT_EQ(Fp16::from_float(fp16), is_nan(fp16) ? bits | 0x0200 : bits);
    EXPECT_EQ(Bf16::from_float(bf16), is_nan(bf16) ? bits | 0x0040 : bits);
  }
}

TEST(SmallFloat, StochasticBf16GoesAwayFromZeroWithTheProbabilityOfTheLowBits) {
  const float x = from_bits(0xBF804000);  // -(1 + 1/4 of a step)
  int away = 0;
  for (int random = 0; random <= 0xFFFF; ++random) {
    away += Bf16::from_float_stochastic(x, static_cast<std::uint16_t>(random)) == 0xBF81 ? 1 : 0;
  }
  EXPECT_EQ(away, 0x4000);
  EXPECT_EQ(Bf16::from_float_stochastic(-kInf, 0xFFFF), 0xFF80);
  EXPECT_TRUE(is_nan(Bf16::to_float(Bf16::from_float_stochastic(kNaN, 0xFFFF))));
}

TEST(SmallFloat, StochasticE2m1IsUnbiased) {
  const int kSteps = 1 << 12;
  for (int sixteenths = -112; sixteenths <= 112; ++sixteenths) {
    const float x = static_cast<float>(sixteenths) / 16;
    double sum = 0;
    for (int i = 0; i < kSteps; ++i) {
      const float uniform = static_cast<float>(i) / kSteps;
      sum += E2m1::to_float(E2m1::from_float_stochastic(x, uniform));
    }
    EXPECT_EQ(sum / kSteps, std::clamp(x, -6.0F, 6.0F)) << x;
  }
  EXPECT_EQ(E2m1::from_float_stochastic(-0.0F, 0.5F), 0x8);
  EXPECT_EQ(E2m1::from_float_stochastic(kNaN, 0.5F), 0x7);
}

}  // namespace
}  // namespace lowp
