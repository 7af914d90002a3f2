// Golden values and edges of the affine formulas; torchao itself is compared in tests/oracle.
#include "formats/affine.h"

#include <gtest/gtest.h>

namespace lowp {
namespace {

constexpr AffineParams kUint4 =
    choose_affine_params(-1.0F, 6.5F, Mapping::kAsymmetric, unsigned_range(4), kFp32Epsilon);
static_assert(kUint4.scale == 0.5F && kUint4.zero_point == 2);
static_assert(affine_quantize(6.5F, affine_reciprocal(0.5F), 2, unsigned_range(4)) == 15);
static_assert(affine_dequantize(15, 0.5F, 2) == 6.5F);

TEST(Affine, ScaleOfEachMapping) {
  const float min = -4.0F;
  const float max = 2.0F;
  const auto scale = [&](Mapping mapping, IntRange range) {
    return choose_affine_params(min, max, mapping, range, kFp32Epsilon).scale;
  };
  EXPECT_EQ(scale(Mapping::kSymmetric, kInt8), 4.0F / 127.5F);
  EXPECT_EQ(scale(Mapping::kSymmetric, kInt4), 4.0F / 7.5F);
  EXPECT_EQ(scale(Mapping::kSymmetricNoClippingError, kInt8), 4.0F / 128.0F);
  EXPECT_EQ(scale(Mapping::kAsymmetric, kInt8), 6.0F / 255.0F);
  EXPECT_EQ(scale(Mapping::kAsymmetricZeroNotPreserved, kInt8), 6.0F / 255.0F);
}

TEST(Affine, OnlyTheZeroPreservingMappingsIncludeZero) {
  const IntRange range = unsigned_range(8);
  const AffineParams with = choose_affine_params(1.0F, 2.0F, Mapping::kAsymmetric, range, 0.0F);
  EXPECT_EQ(with.scale, 2.0F / 255.0F);
  EXPECT_EQ(with.zero_point, 0);
  const AffineParams without =
      choose_affine_params(1.0F, 2.0F, Mapping::kAsymmetricZeroNotPreserved, range, 0.0F);
  EXPECT_EQ(without.scale, 1.0F / 255.0F);
  EXPECT_EQ(without.zero_point, 0);  // -255, clamped
}

TEST(Affine, SymmetricZeroPointIsTheMiddleOfTheRange) {
  const auto zero_point = [](IntRange range) {
    return choose_affine_params(-1.0F, 1.0F, Mapping::kSymmetric, range, 0.0F).zero_point;
  };
  EXPECT_EQ(zero_point(kInt8), 0);
  EXPECT_EQ(zero_point(unsigned_range(8)), 128);
  EXPECT_EQ(zero_point(unsigned_range(4)), 8);
  EXPECT_EQ(zero_point(signed_range(1)), 0);
  EXPECT_EQ(zero_point(kInt8Symmetric), 0);
}

TEST(Affine, RoundsEveryStepToTheArithmetic) {
  const AffineParams bf16 =
      choose_affine_params(DType::kBF16, -1.0F, 3.0F, Mapping::kAsymmetric, kInt8, kFp32Epsilon);
  EXPECT_EQ(bf16.scale, Bf16::round(4.0F / 255.0F));
  EXPECT_EQ(bf16.zero_point, -64);
  EXPECT_EQ(affine_reciprocal<Bf16>(3.0F), Bf16::round(1.0F / 3.0F));
  // bf16's 1 / 3 is too large: the product is above the tie, until it is rounded to bf16 itself.
  const float third = affine_reciprocal<Bf16>(3.0F);
  EXPECT_EQ(affine_quantize<Fp32>(1.5F, affine_reciprocal<Fp32>(3.0F), 0, kInt8), 0);
  EXPECT_EQ(affine_quantize<Fp32>(1.5F, third, 0, kInt8), 1);
  EXPECT_EQ(affine_quantize<Bf16>(1.5F, third, 0, kInt8), 0);
}

TEST(Affine, FloatZeroOfTinygemm) {
  const IntRange range = unsigned_range(4);
  const FloatZeroParams params = choose_float_zero_params(-1.0F, 6.5F, range, 1e-6F);
  EXPECT_EQ(params.scale, 0.5F);
  EXPECT_EQ(params.zero, 3.0F);
  for (int code = 0; code < 16; ++code) {
    const float value = float_zero_dequantize(code, params, range);
    EXPECT_EQ(value, -1.0F + 0.5F * static_cast<float>(code));
    EXPECT_EQ(float_zero_quantize(value, params, range), code);
  }
}

TEST(Affine, FloatZeroOfInt4) {
  const FloatZeroParams params = int4_float_zero_params(-1.0F, 6.5F);
  EXPECT_EQ(params.scale, 0.5F);
  EXPECT_EQ(params.zero, 3.0F);
  for (int code = -8; code < 8; ++code) {
    const float value = int4_float_zero_dequantize(code, params);
    EXPECT_EQ(int4_float_zero_quantize(value, -1.0F, params.scale), code);
  }
  // A constant block: every element is the minimum, and its value is exact.
  const FloatZeroParams constant = int4_float_zero_params(0.0F, 0.0F);
  EXPECT_EQ(constant.scale, 1e-6F / 15.0F);
  EXPECT_EQ(int4_float_zero_quantize(0.0F, 0.0F, constant.scale), -8);
  EXPECT_EQ(int4_float_zero_dequantize(-8, constant), 0.0F);
}

TEST(Affine, Int4ForFloat8Activations) {
  EXPECT_EQ(int4_fp8_scale(4.0F), 0.5F);
  EXPECT_EQ(int4_fp8_scale(0.0F), 1e-6F / 8.0F);
  EXPECT_EQ(int4_fp8_quantize(4.0F, 0.5F), 7);
  EXPECT_EQ(int4_fp8_quantize(-4.0F, 0.5F), -8);
}

TEST(Affine, NaNIsTheZeroPoint) {
  for (const Mapping mapping : {Mapping::kSymmetric, Mapping::kSymmetricNoClippingError,
                                Mapping::kAsymmetric, Mapping::kAsymmetricZeroNotPreserved}) {
    const AffineParams params = choose_affine_params(kNaN, kNaN, mapping, kInt8, kFp32Epsilon);
    EXPECT_TRUE(is_nan(params.scale));
    EXPECT_EQ(params.zero_point, 0);
    EXPECT_EQ(affine_quantize(1.0F, affine_reciprocal(params.scale), 3, kInt8), 3);
  }
  EXPECT_EQ(affine_quantize(kNaN, 1.0F, -5, kInt8), -5);
}

}  // namespace
}  // namespace lowp
