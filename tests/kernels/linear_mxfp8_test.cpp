#include "kernels/linear_mxfp8/linear_mxfp8.h"

#include "formats/e4m3.h"
#include "linear_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  Guarded<std::uint8_t> x;
  Guarded<std::uint8_t> x_scale;
  Guarded<std::uint8_t> weight;
  Guarded<std::uint8_t> weight_scale;

  Problem(Shape shape, Options options)
      : operands(shape, options),
        x(static_cast<std::size_t>(shape.m * shape.k)),
        x_scale(x.size() / 32),
        weight(static_cast<std::size_t>(shape.n * shape.k)),
        weight_scale(weight.size() / 32) {
    Random& random = operands.random;
    const bool small = options.small_integers;
    const int middle = small ? 127 : 120;  // sums stay below fp16's largest number
    const auto scale = [&] { return static_cast<std::uint8_t>(middle + random.integer(-2, 2)); };
    for (auto& code : x) code = random.e4m3_code(small);
    for (auto& code : weight) code = random.e4m3_code(small);
    for (auto& code : x_scale) code = scale();
    for (auto& code : weight_scale) code = scale();
  }

  LinearMxfp8Args args() {
    const auto [m, n, k] = operands.shape;
    return {x.data(),
            x_scale.data(),
            m,
            n,
            k,
            weight.data(),
            weight_scale.data(),
            operands.bias_data(),
            operands.out.mutable_view(),
            nullptr};
  }
  double value(const Guarded<std::uint8_t>& codes, const Guarded<std::uint8_t>& scale,
               std::int64_t row, std::int64_t k) const {
    const auto at = static_cast<std::size_t>(row * operands.shape.k + k);
    return std::ldexp(double{E4m3::to_float(codes[at])}, scale[at / 32] - 127);
  }
  double x_value(std::int64_t m, std::int64_t k) const { return value(x, x_scale, m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const {
    return value(weight, weight_scale, n, k);
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

Problem make(Shape shape, Options options) { return {shape, options}; }

class LinearMxfp8 : public testing::TestWithParam<Implementation<LinearMxfp8Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 32},     {1, 576, 192}, {1, 33, 96},  {2, 48, 160},
                                 {3, 50, 576},   {4, 17, 96},   {5, 49, 32},  {8, 96, 576},
                                 {70, 130, 160}, {257, 5, 96},  {1, 6, 16416}};

TEST_P(LinearMxfp8, IsTheProductUpToRounding) { test_products(GetParam(), kShapes, make); }

TEST_P(LinearMxfp8, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearMxfp8, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearMxfp8, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST_P(LinearMxfp8, NanScaleSpoilsItsOutputAlone) {
  test_nan_scale(GetParam(), 32, make,
                 [](Problem& problem, std::size_t i) { problem.weight_scale[i] = 255; });
}

// One row of the weight has scales at the ends of those that leave bf16 elements normal, or just
// above; its codes are small enough for those, and x makes up for them.
TEST_P(LinearMxfp8, ScalesAtTheEndsGiveTheProduct) {
  for (const std::int64_t m : {1, 8}) {
    for (const int exponent : {10, 246, 247}) {
      Problem problem = make({m, 20, 96}, {.bias = false});
      for (std::size_t i = 5 * 96; i < 6 * 96; ++i) problem.weight[i] &= 0xBF;
      for (std::size_t i = 5 * 3; i < 6 * 3; ++i) {
        problem.weight_scale[i] = static_cast<std::uint8_t>(exponent);
      }
      const int x_exponent = exponent < 127 ? 217 : 37;
      for (auto& code : problem.x_scale) code = static_cast<std::uint8_t>(x_exponent);
      if (run_unless_few_rows(GetParam(), problem)) expect_product(problem);
    }
  }
}

TEST_P(LinearMxfp8, NanCodesSpoilTheirOutputAlone) {
  for (const std::int64_t m : {1, 8}) {
    Problem problem = make({m, 20, 96}, {});
    problem.weight[5 * 96 + 7] = 0x7F;
    problem.weight[9 * 96 + 90] = 0xFF;
    if (!run_unless_few_rows(GetParam(), problem)) continue;
    for (std::int64_t n = 0; n < 20; ++n) {
      EXPECT_EQ(std::isnan(problem.operands.out.get(0, n)), n == 5 || n == 9) << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearMxfp8,
                         testing::ValuesIn(linear_mxfp8_implementations().begin(),
                                           linear_mxfp8_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
