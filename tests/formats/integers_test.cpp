#include "formats/integers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lowp {
namespace {

static_assert(signed_range(1) == IntRange{-1, 0} && unsigned_range(1) == IntRange{0, 1});
static_assert(signed_range(8) == kInt8 && signed_range(4) == kInt4);
static_assert(unsigned_range(7) == IntRange{0, 127});

TEST(Integers, RoundsTiesToEvenAndKeepsTheSignOfZero) {
  for (int i = -1000; i <= 1000; ++i) {
    for (float fraction : {0.0F, 0.25F, 0.49999997F, 0.5F, 0.75F}) {
      const float x = static_cast<float>(i) + fraction;
      EXPECT_EQ(round_even(x), std::nearbyint(x)) << x;
      EXPECT_EQ(round_down(x), std::floor(x)) << x;
      EXPECT_EQ(std::signbit(round_even(x)), std::signbit(std::nearbyint(x))) << x;
    }
  }
  for (float x : {0x1p22F + 0.5F, 0x1p23F - 0.5F, 0x1p23F + 1.0F, 0x1p30F, 0x1p-149F, kInf}) {
    EXPECT_EQ(round_even(x), std::nearbyint(x));
    EXPECT_EQ(round_even(-x), std::nearbyint(-x));
  }
  EXPECT_TRUE(is_nan(round_even(kNaN)));
}

TEST(Integers, Clamps) {
  EXPECT_EQ(clamp_to_int(1e30F, kInt8), 127);
  EXPECT_EQ(clamp_to_int(-kInf, kInt4), -8);
  EXPECT_EQ(clamp_to_int(kNaN, kInt8, 5), 5);
}

TEST(Integers, StochasticRoundingIsUnbiased) {
  const int kSteps = 1 << 10;
  for (float x : {-3.75F, -0.5F, 0.0F, 0.125F, 6.5F}) {
    int sum = 0;
    for (int i = 0; i < kSteps; ++i) {
      sum += round_stochastic(x, static_cast<float>(i) / kSteps, kInt8);
    }
    EXPECT_EQ(static_cast<float>(sum) / kSteps, x);
  }
  EXPECT_EQ(round_stochastic(127.5F, 0.9F, kInt8), 127);
}

TEST(Integers, SignExtends) {
  for (int width = 1; width <= 8; ++width) {
    const IntRange range = signed_range(width);
    for (int code = range.min; code <= range.max; ++code) {
      EXPECT_EQ(sign_extend(static_cast<unsigned>(code), width), code);
    }
  }
}

}  // namespace
}  // namespace lowp
