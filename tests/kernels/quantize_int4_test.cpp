#include "kernels/quantize_int4/quantize_int4.h"

#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = QuantizeInt4Args;

struct Options {
  std::int64_t group_size;
  Mapping mapping = Mapping::kSymmetric;
  DType scale_dtype = DType::kF32;
  float epsilon = 0x1p-23F;
};

struct Quantized {
  Output<std::uint8_t> codes;
  Output<float> scale;
  Output<std::int8_t> zero_point;
  Output<float> zero;

  // Code of column `col` of row 0.
  int code(std::int64_t col) const {
    const int nibble = col % 2 == 0 ? codes[col / 2] & 0xF : codes[col / 2] >> 4;
    return nibble >= 8 ? nibble - 16 : nibble;
  }
};

Quantized run(const Implementation<Args>& implementation, const TestMatrix& x,
              const Options& options, const ParallelFor* parallel = nullptr) {
  const Matrix view = x.view();
  const std::int64_t groups = view.rows * view.cols / options.group_size;
  Quantized out{Output<std::uint8_t>(view.rows * view.cols / 2), Output<float>(groups),
                Output<std::int8_t>(groups), Output<float>(groups)};
  implementation.run({view, options.group_size, options.mapping, options.scale_dtype,
                      options.epsilon, out.codes.data(), out.scale.data(),
                      options.mapping == Mapping::kAsymmetric ? out.zero_point.data() : nullptr,
                      options.mapping == Mapping::kFloatZero ? out.zero.data() : nullptr,
                      parallel});
  return out;
}

class QuantizeInt4 : public EachImplementation<Args> {
 protected:
  void expect_reference(const TestMatrix& x, const Options& options, const std::string& what) {
    const Quantized expected = run(quantize_int4_implementations().back(), x, options);
    const Quantized got = run(GetParam(), x, options, three_threads());
    EXPECT_EQ(first_difference(got.scale, expected.scale), -1) << what;
    EXPECT_EQ(first_difference(got.zero_point, expected.zero_point), -1) << what;
    EXPECT_EQ(first_difference(got.zero, expected.zero), -1) << what;
    EXPECT_EQ(first_difference(got.codes, expected.codes), -1) << what;
  }
};

TEST_P(QuantizeInt4, EqualsReference) {
  for (const std::int64_t group : {2, 8, 14, 16, 30, 32, 34, 64, 128, 576}) {
    for_each_matrix(5, 2 * group, [&](const TestMatrix& x, const std::string& what) {
      for (const Mapping mapping :
           {Mapping::kSymmetric, Mapping::kAsymmetric, Mapping::kFloatZero}) {
        for (const DType scale_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
          expect_reference(x, {group, mapping, scale_dtype}, what);
        }
      }
    });
  }
}

TEST_P(QuantizeInt4, ScalesWithoutAReciprocalEqualReference) {
  for (const float epsilon : {0.0F, 0x1p-149F, 0x1p-127F, 1e-12F, 1e30F}) {
    for_each_matrix(3, 96, [&](const TestMatrix& x, const std::string& what) {
      for (const DType scale_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
        expect_reference(x, {48, Mapping::kSymmetric, scale_dtype, epsilon}, what);
        expect_reference(x, {48, Mapping::kAsymmetric, scale_dtype, epsilon}, what);
      }
    });
  }
}

TEST_P(QuantizeInt4, ThreadsDoNotChangeTheResult) {
  TestMatrix x(DType::kBF16, 128, 1024);
  fill(x, Fill::kNormal, 7);
  expect_reference(x, {32}, "32");
  expect_reference(x, {128, Mapping::kAsymmetric, DType::kBF16}, "128");
}

// amax = 7.5 makes the scale 1.
TEST_P(QuantizeInt4, SymmetricTiesAndClamp) {
  TestMatrix x(DType::kF32, 1, 32);
  for (std::int64_t col = 0; col < 32; ++col) x.set(0, col, 0.0F);
  x.set(0, 0, -7.5F);
  x.set(0, 1, 7.5F);
  x.set(0, 2, 2.5F);
  x.set(0, 3, -1.5F);
  const Quantized got = run(GetParam(), x, {32});
  EXPECT_EQ(got.scale[0], 1.0F);
  EXPECT_EQ(got.code(0), -8);
  EXPECT_EQ(got.code(1), 7);
  EXPECT_EQ(got.code(2), 2);
  EXPECT_EQ(got.code(3), -2);
  EXPECT_EQ(got.codes[0], 0x78);  // the even column in the low nibble
}

// [-3, 12] has 15 steps of 1; zero lies 3 codes above -8.
TEST_P(QuantizeInt4, AsymmetricShiftsTheRange) {
  TestMatrix x(DType::kBF16, 1, 16);
  for (std::int64_t col = 0; col < 16; ++col) x.set(0, col, static_cast<float>(col) - 3.0F);
  const Quantized got = run(GetParam(), x, {16, Mapping::kAsymmetric});
  EXPECT_EQ(got.scale[0], 1.0F);
  EXPECT_EQ(got.zero_point[0], -5);
  for (int col = 0; col < 16; ++col) EXPECT_EQ(got.code(col), col - 8);
}

// The same values away from zero: only a float zero keeps all 16 codes.
TEST_P(QuantizeInt4, FloatZeroFitsARangeWithoutZero) {
  TestMatrix x(DType::kBF16, 1, 16);
  for (std::int64_t col = 0; col < 16; ++col) x.set(0, col, static_cast<float>(col) + 64.0F);
  const Quantized got = run(GetParam(), x, {16, Mapping::kFloatZero, DType::kBF16});
  EXPECT_EQ(got.scale[0], 1.0F);
  EXPECT_EQ(got.zero[0], 72.0F);
  for (int col = 0; col < 16; ++col) EXPECT_EQ(got.code(col), col - 8);
}

TEST_P(QuantizeInt4, ZeroGroup) {
  TestMatrix x(DType::kF32, 1, 32);
  fill(x, Fill::kZero, 1);
  const Quantized symmetric = run(GetParam(), x, {32});
  EXPECT_EQ(symmetric.scale[0], 0x1p-23F);
  EXPECT_EQ(symmetric.code(5), 0);
  const Quantized asymmetric = run(GetParam(), x, {32, Mapping::kAsymmetric});
  EXPECT_EQ(asymmetric.code(5), asymmetric.zero_point[0]);
  const Quantized float_zero = run(GetParam(), x, {32, Mapping::kFloatZero});
  EXPECT_EQ(float_zero.scale[0], 1e-6F / 15.0F);
  EXPECT_EQ(float_zero.code(5), -8);
}

TEST_P(QuantizeInt4, NanStaysInItsGroup) {
  TestMatrix x(DType::kBF16, 1, 64);
  fill(x, Fill::kNormal, 3);
  x.set(0, 40, kNaN);
  for (const Mapping mapping : {Mapping::kSymmetric, Mapping::kAsymmetric, Mapping::kFloatZero}) {
    const Quantized got = run(GetParam(), x, {32, mapping});
    EXPECT_TRUE(std::isfinite(got.scale[0]));
    EXPECT_TRUE(std::isnan(got.scale[1]));
    for (std::int64_t col = 32; col < 64; ++col) EXPECT_EQ(got.code(col), 0);
  }
}

LOWP_EACH_IMPLEMENTATION(QuantizeInt4, quantize_int4_implementations());

}  // namespace
}  // namespace lowp::kernels
