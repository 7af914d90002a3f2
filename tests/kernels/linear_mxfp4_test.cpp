#include "kernels/linear_mxfp4/linear_mxfp4.h"

#include "linear_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  Guarded<std::uint8_t> weight;  // pairs
  Guarded<std::uint8_t> scale;

  Problem(Shape shape, Options options)
      : operands(shape, options),
        weight(static_cast<std::size_t>(shape.n * shape.k / 2)),
        scale(weight.size() / 16) {
    Random& random = operands.random;
    for (auto& pair : weight) pair = static_cast<std::uint8_t>(random.integer(0, 255));
    for (auto& code : scale) code = static_cast<std::uint8_t>(127 + random.integer(-3, 3));
  }

  LinearMxfp4Args args() {
    return {operands.x.view(),           weight.data(), scale.data(), operands.bias_data(),
            operands.out.mutable_view(), nullptr};
  }
  double x_value(std::int64_t m, std::int64_t k) const { return operands.x.get(m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const {
    const auto at = static_cast<std::size_t>(n * operands.shape.k + k);
    const unsigned code = at % 2 == 0 ? weight[at / 2] & 15U : weight[at / 2] >> 4U;
    constexpr double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    return std::ldexp(kMagnitudes[code % 8] * (code < 8 ? 1 : -1), scale[at / 32] - 127);
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

Problem make(Shape shape, Options options) { return {shape, options}; }

class LinearMxfp4 : public testing::TestWithParam<Implementation<LinearMxfp4Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 32},     {1, 576, 192}, {1, 33, 96},  {2, 48, 160},
                                 {3, 50, 576},   {4, 17, 96},   {5, 49, 32},  {8, 96, 576},
                                 {70, 130, 160}, {257, 5, 96},  {1, 6, 16416}};

TEST_P(LinearMxfp4, IsTheProductUpToRounding) { test_products(GetParam(), kShapes, make); }

TEST_P(LinearMxfp4, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearMxfp4, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearMxfp4, NonFiniteXStaysInItsRow) { test_non_finite_x(GetParam(), make); }

TEST_P(LinearMxfp4, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST_P(LinearMxfp4, AnyRangeOfXGivesTheProduct) { test_any_range_of_x(GetParam(), make); }

// Each scale of a row, so that a kernel that reads a neighbour's beside the last ones shows it.
TEST_P(LinearMxfp4, NanScaleSpoilsItsOutputAlone) {
  for (const Shape shape : {Shape{1, 20, 96}, {8, 20, 96}, {1, 20, 576}}) {
    const std::int64_t scales = shape.k / 32;
    for (std::int64_t i = 0; i < scales; ++i) {
      const DType out = i % 2 == 0 ? DType::kBF16 : DType::kF32;
      Problem problem = make(shape, {.x = DType::kBF16, .out = out});
      problem.scale[5 * scales + i] = 255;
      if (!run_unless_few_rows(GetParam(), problem)) continue;
      for (std::int64_t n = 0; n < 20; ++n) {
        EXPECT_EQ(std::isnan(problem.operands.out.get(0, n)), n == 5) << n << ", scale " << i;
      }
    }
  }
}

// One row of the weight has scales at the ends of those that leave bf16 elements normal, or just
// above; its codes are small enough for those, and x makes up for them.
TEST_P(LinearMxfp4, ScalesAtTheEndsGiveTheProduct) {
  for (const std::int64_t m : {1, 8}) {
    for (const int exponent : {2, 252, 253}) {
      Problem problem = make({m, 20, 96}, {.x = DType::kBF16, .bias = false});
      for (std::size_t i = 5 * 48; i < 6 * 48; ++i) problem.weight[i] &= 0xBB;
      for (std::size_t i = 5 * 3; i < 6 * 3; ++i) {
        problem.scale[i] = static_cast<std::uint8_t>(exponent);
      }
      const float factor = std::ldexp(1.0F, exponent < 127 ? 90 : -90);
      for (std::int64_t row = 0; row < m; ++row) {
        for (std::int64_t k = 0; k < 96; ++k) {
          problem.operands.x.set(row, k, problem.operands.x.get(row, k) * factor);
        }
      }
      if (run_unless_few_rows(GetParam(), problem)) expect_product(problem);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearMxfp4,
                         testing::ValuesIn(linear_mxfp4_implementations().begin(),
                                           linear_mxfp4_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
