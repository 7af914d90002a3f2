#include "kernels/linear_fp8_weight_only/linear_fp8_weight_only.h"

#include "formats/e4m3.h"
#include "linear_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  Block block;
  Guarded<std::uint8_t> weight;
  Guarded<float> scale;

  Problem(Shape shape, Options options, Block block)
      : operands(shape, options),
        block(block),
        weight(static_cast<std::size_t>(shape.n * shape.k)),
        scale(static_cast<std::size_t>(round_up(shape.n, block.rows) / block.rows *
                                       (round_up(shape.k, block.cols) / block.cols))) {
    Random& random = operands.random;
    for (auto& code : weight) code = random.e4m3_code(options.small_integers);
    for (float& value : scale) value = random.scale(options.small_integers);
  }

  LinearFp8WeightOnlyArgs args() {
    return {operands.x.view(),           weight.data(), scale.data(), block, operands.bias_data(),
            operands.out.mutable_view(), nullptr};
  }
  double x_value(std::int64_t m, std::int64_t k) const { return operands.x.get(m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const {
    const std::int64_t width = operands.shape.k;
    const std::int64_t groups = round_up(width, block.cols) / block.cols;
    const auto at = static_cast<std::size_t>(n / block.rows * groups + k / block.cols);
    return double{scale[at]} * E4m3::to_float(weight[static_cast<std::size_t>(n * width + k)]);
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

Problem make(Shape shape, Options options) { return {shape, options, {1, shape.k}}; }
Problem make_per_tensor(Shape shape, Options options) {
  return {shape, options, {shape.n, shape.k}};
}
Problem make_per_block(Shape shape, Options options) { return {shape, options, {128, 128}}; }

class LinearFp8WeightOnly : public testing::TestWithParam<Implementation<LinearFp8WeightOnlyArgs>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 1},    {1, 576, 192}, {1, 33, 100}, {2, 48, 64},
                                 {3, 50, 97},  {4, 17, 576},  {5, 49, 31},  {8, 96, 300},
                                 {13, 20, 33}, {70, 130, 65}, {257, 5, 40}, {1, 6, 17000}};

TEST_P(LinearFp8WeightOnly, IsTheProductUpToRounding) { test_products(GetParam(), kShapes, make); }

TEST_P(LinearFp8WeightOnly, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearFp8WeightOnly, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearFp8WeightOnly, NonFiniteXStaysInItsRow) { test_non_finite_x(GetParam(), make); }

TEST_P(LinearFp8WeightOnly, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST_P(LinearFp8WeightOnly, AnyRangeOfXGivesTheProduct) { test_any_range_of_x(GetParam(), make); }

TEST_P(LinearFp8WeightOnly, OneScaleForAll) { test_products(GetParam(), kShapes, make_per_tensor); }

// Edge blocks are cut: N and K need not be multiples of 128.
TEST_P(LinearFp8WeightOnly, ScalesEachBlock) {
  const std::vector<Shape> shapes{{1, 300, 128}, {1, 129, 576}, {3, 130, 200},
                                  {4, 5, 100},   {9, 300, 450}, {260, 140, 260}};
  test_products(GetParam(), shapes, make_per_block);
  test_exact(GetParam(), shapes, make_per_block);
}

TEST_P(LinearFp8WeightOnly, NanCodesSpoilTheirOutputAlone) {
  for (const std::int64_t m : {1, 8}) {
    Problem problem({m, 20, 96}, {.x = DType::kBF16}, {1, 96});
    problem.weight[5 * 96 + 7] = 0x7F;
    problem.weight[9 * 96 + 90] = 0xFF;
    if (!run_unless_few_rows(GetParam(), problem)) continue;
    for (std::int64_t n = 0; n < 20; ++n) {
      EXPECT_EQ(std::isnan(problem.operands.out.get(0, n)), n == 5 || n == 9) << n;
    }
  }
}

// Every code through both paths: one row of x that picks one code at a time.
TEST_P(LinearFp8WeightOnly, DecodesEveryCode) {
  for (const std::int64_t m : {1, 16}) {
    Problem problem({m, 256, 64}, {.x = DType::kBF16, .bias = false}, {256, 64});
    problem.scale[0] = 1.0F;
    std::fill(problem.weight.begin(), problem.weight.end(), std::uint8_t{0});
    for (std::int64_t code = 0; code < 256; ++code) {
      problem.weight[static_cast<std::size_t>(code * 64 + code % 64)] =
          static_cast<std::uint8_t>(code);
    }
    for (std::int64_t k = 0; k < 64; ++k) {
      for (std::int64_t row = 0; row < m; ++row) problem.operands.x.set(row, k, 1.0F);
    }
    if (!run_unless_few_rows(GetParam(), problem)) continue;
    for (std::int64_t code = 0; code < 256; ++code) {
      const float expected = E4m3::to_float(static_cast<std::uint8_t>(code));
      const float got = problem.operands.out.get(m - 1, code);
      EXPECT_TRUE(got == expected || (std::isnan(got) && std::isnan(expected))) << code;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearFp8WeightOnly,
                         testing::ValuesIn(linear_fp8_weight_only_implementations().begin(),
                                           linear_fp8_weight_only_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
