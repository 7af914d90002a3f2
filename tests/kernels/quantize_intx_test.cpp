#include "kernels/quantize_intx/quantize_intx.h"

#include "formats/packing.h"
#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = QuantizeIntxArgs;

struct Options {
  int bits;
  std::int64_t group_size;
  Mapping mapping = Mapping::kSymmetric;
  DType scale_dtype = DType::kF32;
  float epsilon = 0x1p-126F;
};

struct Quantized {
  int bits;
  Output<std::uint8_t> codes;
  Output<float> scale;
  Output<std::int8_t> zero_point;

  // Code of column `col` of row 0.
  int code(std::int64_t col) const { return intx_code(codes.values.data(), col, bits); }
};

Quantized run(const Implementation<Args>& implementation, const TestMatrix& x,
              const Options& options, const ParallelFor* parallel = nullptr) {
  const Matrix view = x.view();
  const std::int64_t groups = view.rows * view.cols / options.group_size;
  Quantized out{options.bits, Output<std::uint8_t>(view.rows * view.cols / 8 * options.bits),
                Output<float>(groups), Output<std::int8_t>(groups)};
  implementation.run({view, options.bits, options.group_size, options.mapping, options.scale_dtype,
                      options.epsilon, out.codes.data(), out.scale.data(),
                      options.mapping == Mapping::kAsymmetric ? out.zero_point.data() : nullptr,
                      parallel});
  return out;
}

class QuantizeIntx : public EachImplementation<Args> {
 protected:
  void expect_reference(const TestMatrix& x, const Options& options, const std::string& what) {
    const Quantized expected = run(quantize_intx_implementations().back(), x, options);
    const Quantized got = run(GetParam(), x, options, three_threads());
    EXPECT_EQ(first_difference(got.scale, expected.scale), -1) << what << " " << options.bits;
    EXPECT_EQ(first_difference(got.zero_point, expected.zero_point), -1)
        << what << " " << options.bits;
    EXPECT_EQ(first_difference(got.codes, expected.codes), -1) << what << " " << options.bits;
  }
};

constexpr std::array kMappings{Mapping::kSymmetric, Mapping::kSymmetricNoClippingError,
                               Mapping::kAsymmetric};

TEST_P(QuantizeIntx, EqualsReference) {
  for (const std::int64_t group : {8, 16, 24, 40, 64, 128, 576}) {
    for_each_matrix(5, 2 * group, [&](const TestMatrix& x, const std::string& what) {
      for (int bits = 1; bits <= 7; ++bits) {
        for (const Mapping mapping : kMappings) {
          for (const DType scale_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
            expect_reference(x, {bits, group, mapping, scale_dtype}, what);
          }
        }
      }
    });
  }
}

TEST_P(QuantizeIntx, ScalesWithoutAReciprocalEqualReference) {
  for (const float epsilon : {0.0F, 0x1p-149F, 0x1p-127F, 1e-12F, 1e30F}) {
    for_each_matrix(3, 96, [&](const TestMatrix& x, const std::string& what) {
      for (const DType scale_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
        for (const Mapping mapping : kMappings) {
          expect_reference(x, {3, 48, mapping, scale_dtype, epsilon}, what);
        }
      }
    });
  }
}

TEST_P(QuantizeIntx, ThreadsDoNotChangeTheResult) {
  TestMatrix x(DType::kBF16, 128, 1024);
  fill(x, Fill::kNormal, 7);
  expect_reference(x, {5, 32}, "32");
  expect_reference(x, {2, 1024, Mapping::kAsymmetric, DType::kBF16}, "1024");
}

// amax = 1.5 makes the scale 1 for two bits, whose codes are -2 to 1.
TEST_P(QuantizeIntx, SymmetricTiesAndClamp) {
  TestMatrix x(DType::kF32, 1, 16);
  for (std::int64_t col = 0; col < 16; ++col) x.set(0, col, 0.0F);
  x.set(0, 0, -1.5F);
  x.set(0, 1, 1.5F);
  x.set(0, 2, 0.5F);
  x.set(0, 3, -0.75F);
  const Quantized got = run(GetParam(), x, {2, 16});
  EXPECT_EQ(got.scale[0], 1.0F);
  EXPECT_EQ(got.code(0), -2);
  EXPECT_EQ(got.code(1), 1);
  EXPECT_EQ(got.code(2), 0);
  EXPECT_EQ(got.code(3), -1);
  EXPECT_EQ(got.codes[0], 0b01'10'11'00);  // first column lowest, each code plus 2
}

// Each bit width has every code of its range, in the order of the columns.
TEST_P(QuantizeIntx, EveryCode) {
  for (int bits = 1; bits <= 7; ++bits) {
    const int count = 1 << bits;
    TestMatrix x(DType::kBF16, 1, 128);
    for (std::int64_t col = 0; col < 128; ++col) x.set(0, col, static_cast<float>(col % count));
    const Quantized got = run(GetParam(), x, {bits, 128, Mapping::kAsymmetric});
    EXPECT_EQ(got.scale[0], 1.0F);
    EXPECT_EQ(got.zero_point[0], -count / 2);
    for (int col = 0; col < 128; ++col) EXPECT_EQ(got.code(col), col % count - count / 2);
  }
}

TEST_P(QuantizeIntx, NoClippingErrorKeepsBothEnds) {
  TestMatrix x(DType::kF32, 1, 16);
  for (std::int64_t col = 0; col < 16; ++col) x.set(0, col, 0.0F);
  x.set(0, 0, -4.0F);
  x.set(0, 1, 1.0F);
  const Quantized low = run(GetParam(), x, {3, 16, Mapping::kSymmetricNoClippingError});
  EXPECT_EQ(low.scale[0], 1.0F);
  EXPECT_EQ(low.code(0), -4);
  x.set(0, 1, 6.0F);
  const Quantized high = run(GetParam(), x, {3, 16, Mapping::kSymmetricNoClippingError});
  EXPECT_EQ(high.scale[0], 2.0F);
  EXPECT_EQ(high.code(1), 3);
}

TEST_P(QuantizeIntx, ZeroGroup) {
  TestMatrix x(DType::kF32, 1, 32);
  fill(x, Fill::kZero, 1);
  const Quantized symmetric = run(GetParam(), x, {6, 32});
  EXPECT_EQ(symmetric.scale[0], 0x1p-126F);
  EXPECT_EQ(symmetric.code(5), 0);
  const Quantized asymmetric = run(GetParam(), x, {6, 32, Mapping::kAsymmetric});
  EXPECT_EQ(asymmetric.code(5), asymmetric.zero_point[0]);
}

TEST_P(QuantizeIntx, NanStaysInItsGroup) {
  TestMatrix x(DType::kBF16, 1, 64);
  fill(x, Fill::kNormal, 3);
  x.set(0, 40, kNaN);
  const Quantized got = run(GetParam(), x, {3, 32});
  EXPECT_FALSE(std::isnan(got.scale[0]));
  EXPECT_TRUE(std::isnan(got.scale[1]));
  for (std::int64_t col = 32; col < 64; ++col) EXPECT_EQ(got.code(col), 0);
}

TEST_P(QuantizeIntx, Empty) {
  for (const auto& [rows, cols] : {std::pair{0, 64}, {3, 0}}) {
    const TestMatrix x(DType::kF32, rows, cols);
    run(GetParam(), x, {3, 32}, three_threads());
  }
}

LOWP_EACH_IMPLEMENTATION(QuantizeIntx, quantize_intx_implementations());

}  // namespace
}  // namespace lowp::kernels
