#include "kernels/quantize_fp8/exact_quotient.h"

#include <gtest/gtest.h>

#include "formats/fp8_scale.h"

namespace lowp::kernels {
namespace {

float bf16(std::uint32_t bits) { return from_bits(bits << 16); }

// Every bf16 x against every mantissa of a bf16 amax: x / (amax / 448) is rounded as a division is.
// Another exponent of amax shifts all of them, so a few stand for all.
TEST(ExactQuotient, IsTheDivision) {
  for (const std::uint32_t exponent : {67U, 127U, 200U, 226U}) {
    for (std::uint32_t mantissa = 0; mantissa < 128; ++mantissa) {
      const std::uint32_t amax = exponent << 7 | mantissa;
      const float scale = fp8_scale<E4m3>(bf16(amax));
      const Divisor divisor{scale, 1.0F / scale};
      const std::uint32_t smallest = amax - std::min(amax, 40U << 7);
      for (std::uint32_t x = smallest; x <= amax; ++x) {
        const float expected = bf16(x) / scale;
        ASSERT_EQ(to_bits(exact_quotient(bf16(x), divisor)), to_bits(expected)) << x << " " << amax;
      }
    }
  }
}

TEST(ExactQuotient, KeepsTheSign) {
  const Divisor divisor{3.0F, 1.0F / 3.0F};
  EXPECT_EQ(to_bits(exact_quotient(-0.0F, divisor)), kSignBit);
  EXPECT_EQ(to_bits(exact_quotient(0.0F, divisor)), 0U);
  EXPECT_EQ(exact_quotient(-6.0F, divisor), -2.0F);
}

// Far below the divisor the quotient may lose bits, but its code is 0 either way.
TEST(ExactQuotient, CodesOfTinyValuesAreZero) {
  const float scale = fp8_scale<E4m3>(0x1p-60F);
  const Divisor divisor{scale, 1.0F / scale};
  for (std::uint32_t x = 0; x < 0x1000; ++x) {  // up to 2^-96
    ASSERT_EQ(E4m3::from_float(exact_quotient(bf16(x), divisor)), 0U);
  }
}

}  // namespace
}  // namespace lowp::kernels
