// Small weight formats: UIntx, trained integers, NF4.
#include <gtest/gtest.h>

#include "formats/integer_training.h"
#include "formats/nf4.h"
#include "formats/uintx.h"

namespace lowp {
namespace {

TEST(Uintx, CodesSpanTheGroup) {
  for (int bits = 1; bits <= 7; ++bits) {
    const auto span = static_cast<float>(unsigned_range(bits).max);
    const UintxParams params = choose_uintx_params(-2.0F, -2.0F + span * 0.25F, bits);
    EXPECT_EQ(params.scale, 0.25F);
    EXPECT_EQ(params.zero, -2.0F);
    for (int code = 0; code <= unsigned_range(bits).max; ++code) {
      EXPECT_EQ(uintx_quantize(uintx_dequantize(code, params), params, bits), code);
    }
  }
}

TEST(Uintx, AConstantGroupIsItsZero) {
  for (float x : {0.0F, 0.3F, -2.5F, 1e30F}) {
    const UintxParams params = choose_uintx_params(x, x, 4);
    EXPECT_EQ(uintx_quantize(x, params, 4), 0);
    EXPECT_EQ(uintx_dequantize(0, params), x);
  }
}

TEST(IntegerTraining, Int8Rows) {
  EXPECT_EQ(int8_training_scale(254.0F), 2.0F);
  EXPECT_EQ(int8_training_scale<Bf16>(3.0F), Bf16::round(3.0F / 127.0F));
  const float reciprocal = int8_training_reciprocal(2.0F);
  EXPECT_EQ(int8_training_quantize(254.0F, reciprocal), 127);
  EXPECT_EQ(int8_training_quantize(-5.0F, reciprocal), -2);  // -2.5, to even
  EXPECT_EQ(int8_training_quantize_stochastic(-5.0F, reciprocal, 0.4F), -3);
  EXPECT_EQ(int8_training_quantize_stochastic(-5.0F, reciprocal, 0.6F), -2);
  EXPECT_EQ(int8_training_quantize(0.0F, int8_training_reciprocal(0.0F)), 0);
}

TEST(IntegerTraining, Bitnet) {
  EXPECT_EQ(bitnet_quantize(0.26F, 0.5F), 1);
  EXPECT_EQ(bitnet_quantize(0.25F, 0.5F), 0);
  EXPECT_EQ(bitnet_quantize(-9.0F, 0.5F), -1);
  EXPECT_EQ(bitnet_quantize(0.0F, 0.0F), 0);
}

TEST(Nf4, EntriesSurviveAndTiesTakeTheFirst) {
  for (int code = 0; code < 16; ++code) {
    const auto entry = static_cast<std::uint8_t>(code);
    EXPECT_EQ(Nf4::quantize(3.0F * Nf4::to_float(entry), 3.0F), code);
    EXPECT_EQ(Nf4::quantize<Bf16>(Bf16::round(Nf4::to_float(entry)), 1.0F), code);
  }
  EXPECT_EQ(Nf4::quantize(0.0398F, 1.0F), 7);
  EXPECT_EQ(Nf4::quantize(0.0F, 0.0F), Nf4::kZeroCode);
  EXPECT_EQ(Nf4::dequantize(Nf4::kZeroCode, 0.0F), 0.0F);
}

TEST(Nf4, ScalesAreQuantizedAroundTheirMean) {
  const float factor = nf4_scale_factor(0.5F);
  EXPECT_EQ(factor, 256.0F);
  EXPECT_EQ(nf4_quantize_scale(-0.5F, factor), -128);
  EXPECT_EQ(nf4_quantize_scale(0.5F, factor), 127);  // 128, clamped
  EXPECT_EQ(nf4_dequantize_scale(-128, factor, 2.0F), 1.5F);
  // All scales equal: their deviation is 0, the factor Inf, and the mean comes back.
  EXPECT_EQ(nf4_dequantize_scale(nf4_quantize_scale(0.0F, nf4_scale_factor(0.0F)),
                                 nf4_scale_factor(0.0F), 2.0F),
            2.0F);
}

}  // namespace
}  // namespace lowp
