#include "kernels/linear_mxfp8_weight_only/linear_mxfp8_weight_only.h"

#include "formats/e4m3.h"
#include "linear_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  Guarded<std::uint8_t> weight;  // e4m3
  Guarded<std::uint8_t> scale;

  Problem(Shape shape, Options options)
      : operands(shape, options),
        weight(static_cast<std::size_t>(shape.n * shape.k)),
        scale(weight.size() / 32) {
    Random& random = operands.random;
    const bool small = options.small_integers;
    const int middle = small ? 127 : 120;  // sums stay below fp16's largest number
    for (auto& code : weight) code = random.e4m3_code(small);
    for (auto& code : scale) code = static_cast<std::uint8_t>(middle + random.integer(-2, 2));
  }

  LinearMxfp8WeightOnlyArgs args() {
    return {operands.x.view(),           weight.data(), scale.data(), operands.bias_data(),
            operands.out.mutable_view(), nullptr};
  }
  double x_value(std::int64_t m, std::int64_t k) const { return operands.x.get(m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const {
    const auto at = static_cast<std::size_t>(n * operands.shape.k + k);
    return std::ldexp(double{E4m3::to_float(weight[at])}, scale[at / 32] - 127);
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

Problem make(Shape shape, Options options) { return {shape, options}; }

class LinearMxfp8WeightOnly
    : public testing::TestWithParam<Implementation<LinearMxfp8WeightOnlyArgs>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 32},     {1, 576, 192}, {1, 33, 96},  {2, 48, 160},
                                 {3, 50, 576},   {4, 17, 96},   {5, 49, 32},  {8, 96, 576},
                                 {70, 130, 160}, {257, 5, 96},  {1, 6, 16416}};

TEST_P(LinearMxfp8WeightOnly, IsTheProductUpToRounding) {
  test_products(GetParam(), kShapes, make);
}

TEST_P(LinearMxfp8WeightOnly, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearMxfp8WeightOnly, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearMxfp8WeightOnly, NonFiniteXStaysInItsRow) { test_non_finite_x(GetParam(), make); }

TEST_P(LinearMxfp8WeightOnly, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST_P(LinearMxfp8WeightOnly, AnyRangeOfXGivesTheProduct) { test_any_range_of_x(GetParam(), make); }

// Every code, by a row of x of ones.
TEST_P(LinearMxfp8WeightOnly, DecodesEveryCode) {
  for (const std::int64_t m : {1, 16}) {
    Problem problem({m, 256, 64}, {.x = DType::kBF16, .bias = false});
    for (auto& code : problem.scale) code = 128;
    for (auto& code : problem.weight) code = 0;
    for (std::int64_t code = 0; code < 256; ++code) {
      problem.weight[static_cast<std::size_t>(code * 64 + code % 64)] =
          static_cast<std::uint8_t>(code);
    }
    for (std::int64_t row = 0; row < m; ++row) {
      for (std::int64_t k = 0; k < 64; ++k) problem.operands.x.set(row, k, 1.0F);
    }
    if (!run_unless_few_rows(GetParam(), problem)) continue;
    for (std::int64_t code = 0; code < 256; ++code) {
      const float expected = 2 * E4m3::to_float(static_cast<std::uint8_t>(code));
      const float got = problem.operands.out.get(m - 1, code);
      EXPECT_TRUE(got == expected || (std::isnan(got) && std::isnan(expected))) << code;
    }
  }
}

TEST_P(LinearMxfp8WeightOnly, AnyScaleGivesTheProduct) {
  test_any_scale(GetParam(), make, 10, {0, 1, 9, 10, 60, 245});
}

TEST_P(LinearMxfp8WeightOnly, NanScaleSpoilsItsOutputAlone) {
  test_nan_scale(GetParam(), 32, make,
                 [](Problem& problem, std::size_t i) { problem.scale[i] = 255; });
}

INSTANTIATE_TEST_SUITE_P(All, LinearMxfp8WeightOnly,
                         testing::ValuesIn(linear_mxfp8_weight_only_implementations().begin(),
                                           linear_mxfp8_weight_only_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
