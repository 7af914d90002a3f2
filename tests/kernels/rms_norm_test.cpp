#include "kernels/rms_norm/rms_norm.h"

#include "decoder_testing.h"

namespace lowp::kernels {
namespace {

using RmsNorm = DecoderOperation<RmsNormArgs>;

// fp32 arithmetic: the sum of squares is within about cols / 16 roundings, a few more follow.
double tolerance(DType dtype, std::int64_t cols) {
  return epsilon(dtype) + static_cast<double>(cols / 16 + 8) * 0x1p-24;
}

void expect_normed(Buffer& out, Buffer& x, Buffer& weight, std::int64_t rows, std::int64_t cols,
                   double eps, double offset, DType dtype) {
  for (std::int64_t row = 0; row < rows; ++row) {
    double squares = 0.0;
    for (std::int64_t i = 0; i < cols; ++i) squares += std::pow(x.at(row, i), 2);
    const double factor = 1.0 / std::sqrt(squares / static_cast<double>(cols) + eps);
    for (std::int64_t i = 0; i < cols; ++i) {
      const double expected = x.at(row, i) * factor * (weight.at(0, i) + offset);
      EXPECT_NEAR(out.at(row, i), expected, tolerance(dtype, cols) * std::fabs(expected) + 0x1p-25)
          << "row " << row << " column " << i;
    }
  }
}

TEST_P(RmsNorm, EqualsTheFormula) {
  for (std::int64_t cols : {1, 15, 16, 33, 576}) {
    Buffer x(dtype(), 3, cols, 5), weight(dtype(), 1, cols), out(dtype(), 3, cols, 3);
    x.fill_normal(1);
    weight.fill_normal(2);
    run({.x = x.matrix(),
         .residual = {},
         .weight = weight.matrix(),
         .epsilon = 1e-5F,
         .weight_offset = 0.0F,
         .out = out.mutable_matrix(),
         .parallel = nullptr},
        rms_norm_implementations());
    expect_normed(out, x, weight, 3, cols, 1e-5F, 0.0, dtype());
    EXPECT_TRUE(out.padding_is_untouched());
  }
}

TEST_P(RmsNorm, AddsToTheResidualFirst) {
  for (std::int64_t cols : {7, 64, 100}) {
    Buffer x(dtype(), 2, cols), residual(dtype(), 2, cols, 1), sum(dtype(), 2, cols);
    Buffer weight(dtype(), 1, cols), out(dtype(), 2, cols);
    x.fill_normal(3);
    residual.fill_normal(4, 10.0F);
    weight.fill_normal(5);
    for (std::int64_t row = 0; row < 2; ++row) {
      for (std::int64_t i = 0; i < cols; ++i) sum.set(row, i, residual.at(row, i) + x.at(row, i));
    }
    run({.x = x.matrix(),
         .residual = residual.mutable_matrix(),
         .weight = weight.matrix(),
         .epsilon = 1e-6F,
         .weight_offset = 1.0F,
         .out = out.mutable_matrix(),
         .parallel = nullptr},
        rms_norm_implementations());
    for (std::int64_t row = 0; row < 2; ++row) {
      for (std::int64_t i = 0; i < cols; ++i) EXPECT_EQ(residual.at(row, i), sum.at(row, i));
    }
    expect_normed(out, sum, weight, 2, cols, 1e-6F, 1.0, dtype());
    EXPECT_TRUE(residual.padding_is_untouched());
  }
}

TEST_P(RmsNorm, ZeroRowsStayZeroAndNanStaysInItsRow) {
  Buffer x(dtype(), 2, 40), weight(dtype(), 1, 40), out(dtype(), 2, 40);
  for (std::int64_t i = 0; i < 40; ++i) {
    x.set(0, i, 0.0F);
    x.set(1, i, i == 17 ? NAN : 1.0F);
    weight.set(0, i, 1.0F);
  }
  run({.x = x.matrix(),
       .residual = {},
       .weight = weight.matrix(),
       .epsilon = 1e-5F,
       .weight_offset = 0.0F,
       .out = out.mutable_matrix(),
       .parallel = nullptr},
      rms_norm_implementations());
  for (std::int64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(out.at(0, i), 0.0F);
    EXPECT_TRUE(std::isnan(out.at(1, i)));
  }
}

INSTANTIATE_TEST_SUITE_P(All, RmsNorm,
                         testing::Combine(testing::ValuesIn(rms_norm_implementations().begin(),
                                                            rms_norm_implementations().end()),
                                          testing::ValuesIn(kFloats)),
                         [](const auto& info) { return test_name(info); });

}  // namespace
}  // namespace lowp::kernels
