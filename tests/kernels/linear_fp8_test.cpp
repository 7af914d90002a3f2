#include "kernels/linear_fp8/linear_fp8.h"

#include "formats/e4m3.h"
#include "formats/e5m2.h"
#include "linear_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  Block x_block;
  Block weight_block;
  DType x_dtype;
  DType weight_dtype;
  Guarded<std::uint8_t> x;
  Guarded<float> x_scale;
  Guarded<std::uint8_t> weight;
  Guarded<float> weight_scale;

  static std::size_t scales(std::int64_t rows, std::int64_t cols, Block block) {
    if (rows == 0) return 0;
    return static_cast<std::size_t>(round_up(rows, block.rows) / block.rows *
                                    (round_up(cols, block.cols) / block.cols));
  }

  Problem(Shape shape, Options options, Block x_block, Block weight_block,
          DType x_dtype = DType::kF8E4M3, DType weight_dtype = DType::kF8E4M3)
      : operands(shape, options),
        x_block(x_block),
        weight_block(weight_block),
        x_dtype(x_dtype),
        weight_dtype(weight_dtype),
        x(static_cast<std::size_t>(shape.m * shape.k)),
        x_scale(scales(shape.m, shape.k, x_block)),
        weight(static_cast<std::size_t>(shape.n * shape.k)),
        weight_scale(scales(shape.n, shape.k, weight_block)) {
    Random& random = operands.random;
    for (auto& code : x) code = random.fp8_code(x_dtype, options.small_integers);
    for (auto& code : weight) code = random.fp8_code(weight_dtype, options.small_integers);
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
            nullptr,
            x_dtype,
            weight_dtype};
  }
  double value(DType dtype, const Guarded<std::uint8_t>& codes, const Guarded<float>& scale,
               Block block, std::int64_t row, std::int64_t k) const {
    const std::int64_t width = operands.shape.k;
    const std::int64_t groups = round_up(width, block.cols) / block.cols;
    const auto at = static_cast<std::size_t>(row / block.rows * groups + k / block.cols);
    const std::uint8_t code = codes[static_cast<std::size_t>(row * width + k)];
    return double{scale[at]} *
           (dtype == DType::kF8E4M3 ? E4m3::to_float(code) : E5m2::to_float(code));
  }
  double x_value(std::int64_t m, std::int64_t k) const {
    return value(x_dtype, x, x_scale, x_block, m, k);
  }
  double weight_value(std::int64_t n, std::int64_t k) const {
    return value(weight_dtype, weight, weight_scale, weight_block, n, k);
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

// e5m2 on either side, as gradients have it.
TEST_P(LinearFp8, TakesE5m2) {
  const std::vector<Shape> shapes{{1, 33, 100}, {3, 50, 97},   {8, 96, 300},
                                  {13, 20, 33}, {70, 130, 65}, {9, 300, 450}};
  for (const DType x : {DType::kF8E4M3, DType::kF8E5M2}) {
    for (const DType weight : {DType::kF8E4M3, DType::kF8E5M2}) {
      if (x == weight && x == DType::kF8E4M3) continue;
      const auto per_row = [&](Shape shape, Options options) {
        return Problem(shape, options, {1, shape.k}, {1, shape.k}, x, weight);
      };
      const auto per_block = [&](Shape shape, Options options) {
        return Problem(shape, options, {1, 128}, {1, 128}, x, weight);
      };
      test_products(GetParam(), shapes, per_row);
      test_exact(GetParam(), shapes, per_row);
      test_products(GetParam(), shapes, per_block);
      test_exact(GetParam(), shapes, per_block);
    }
  }
}

// Infinities and NaN of an e5m2 weight, in a block of finite codes, spoil their column alone.
TEST_P(LinearFp8, E5m2CodesThatAreNotFiniteSpoilTheirColumnAlone) {
  for (const std::uint8_t code : {0x7C, 0xFC, 0x7D, 0xFF}) {
    Problem problem({8, 20, 96}, {}, {1, 96}, {1, 96}, DType::kF8E4M3, DType::kF8E5M2);
    for (auto& x : problem.x) x = (x & 0x7F) == 0 ? 1 : x;  // Inf times zero would be NaN
    problem.weight[7 * 96 + 50] = code;
    if (!run_unless_few_rows(GetParam(), problem)) continue;
    for (std::int64_t n = 0; n < 20; ++n) {
      for (std::int64_t m = 0; m < 8; ++m) {
        const float got = problem.operands.out.get(m, n);
        EXPECT_EQ(std::isfinite(got), n != 7);
        if (n == 7) {
          EXPECT_EQ(std::isinf(got), (code & 0x7F) == 0x7C) << m;
        }
      }
    }
  }
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
