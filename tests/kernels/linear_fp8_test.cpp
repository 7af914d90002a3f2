#include "kernels/linear_fp8/linear_fp8.h"

#include "formats/e4m3.h"
#include "linear_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  Block x_block;
  Block weight_block;
  Guarded<std::uint8_t> x;
  Guarded<float> x_scale;
  Guarded<std::uint8_t> weight;
  Guarded<float> weight_scale;

  static std::size_t scales(std::int64_t rows, std::int64_t cols, Block block) {
    if (rows == 0) return 0;
    return static_cast<std::size_t>(round_up(rows, block.rows) / block.rows *
                                    (round_up(cols, block.cols) / block.cols));
  }

  Problem(Shape shape, Options options, Block x_block, Block weight_block)
      : operands(shape, options),
        x_block(x_block),
        weight_block(weight_block),
        x(static_cast<std::size_t>(shape.m * shape.k)),
        x_scale(scales(shape.m, shape.k, x_block)),
        weight(static_cast<std::size_t>(shape.n * shape.k)),
        weight_scale(scales(shape.n, shape.k, weight_block)) {
    Random& random = operands.random;
    for (auto& code : x) code = random.e4m3_code(options.small_integers);
    for (auto& code : weight) code = random.e4m3_code(options.small_integers);
    for (float& value : x_scale) value = random.scale(options.small_integers);
    for (float& value : weight_scale) value = random.scale(options.small_integers);
  }

  LinearFp8Args args() {
    const auto [m, n, k] = operands.shape;
    return {x.data(),
            x_scale.data(),
            x_block,
            m,
            n,
            k,
            weight.data(),
            weight_scale.data(),
            weight_block,
            operands.bias_data(),
            operands.out.mutable_view(),
            nullptr};
  }
  double value(const Guarded<std::uint8_t>& codes, const Guarded<float>& scale, Block block,
               std::int64_t row, std::int64_t k) const {
    const std::int64_t width = operands.shape.k;
    const std::int64_t groups = round_up(width, block.cols) / block.cols;
    const auto at = static_cast<std::size_t>(row / block.rows * groups + k / block.cols);
    return double{scale[at]} * E4m3::to_float(codes[static_cast<std::size_t>(row * width + k)]);
  }
  double x_value(std::int64_t m, std::int64_t k) const { return value(x, x_scale, x_block, m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const {
    return value(weight, weight_scale, weight_block, n, k);
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

Problem make(Shape shape, Options options) { return {shape, options, {1, shape.k}, {1, shape.k}}; }
Problem make_per_tensor(Shape shape, Options options) {
  return {shape, options, {shape.m, shape.k}, {shape.n, shape.k}};
}
Problem make_per_block(Shape shape, Options options) {
  return {shape, options, {1, 128}, {128, 128}};
}

class LinearFp8 : public testing::TestWithParam<Implementation<LinearFp8Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 1},    {1, 576, 192}, {1, 33, 100}, {2, 48, 64},
                                 {3, 50, 97},  {4, 17, 576},  {5, 49, 31},  {8, 96, 300},
                                 {13, 20, 33}, {70, 130, 65}, {257, 5, 40}, {1, 6, 17000}};

TEST_P(LinearFp8, IsTheProductUpToRounding) { test_products(GetParam(), kShapes, make); }

TEST_P(LinearFp8, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearFp8, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearFp8, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST_P(LinearFp8, OneScaleForAll) { test_products(GetParam(), kShapes, make_per_tensor); }

// Edge blocks are cut: N and K need not be multiples of 128.
TEST_P(LinearFp8, ScalesEachBlock) {
  const std::vector<Shape> shapes{{1, 300, 128}, {1, 129, 576}, {3, 130, 200},
                                  {4, 5, 100},   {9, 300, 450}, {260, 140, 260}};
  test_products(GetParam(), shapes, make_per_block);
  test_exact(GetParam(), shapes, make_per_block);
}

TEST_P(LinearFp8, NanCodesOfXSpoilTheirRowAlone) {
  for (const std::int64_t m : {2, 8}) {
    Problem problem = make({m, 20, 96}, {});
    problem.x[96 + 90] = 0xFF;
    if (!run_unless_few_rows(GetParam(), problem)) continue;
    for (std::int64_t n = 0; n < 20; ++n) {
      EXPECT_TRUE(std::isfinite(problem.operands.out.get(0, n)));
      EXPECT_TRUE(std::isnan(problem.operands.out.get(1, n)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearFp8,
                         testing::ValuesIn(linear_fp8_implementations().begin(),
                                           linear_fp8_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
