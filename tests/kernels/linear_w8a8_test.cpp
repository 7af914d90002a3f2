#include "kernels/linear_w8a8/linear_w8a8.h"

#include <algorithm>

#include "linear_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  bool with_zero_point;
  Guarded<std::int8_t> x;
  Guarded<float> x_scale;
  Guarded<std::int8_t> x_zero_point;
  Guarded<std::int8_t> weight;
  Guarded<float> weight_scale;
  Guarded<std::int32_t> row_sums;

  Problem(Shape shape, Options options, bool with_zero_point)
      : operands(shape, options),
        with_zero_point(with_zero_point),
        x(static_cast<std::size_t>(shape.m * shape.k)),
        x_scale(static_cast<std::size_t>(shape.m)),
        x_zero_point(static_cast<std::size_t>(shape.m)),
        weight(static_cast<std::size_t>(shape.n * shape.k)),
        weight_scale(static_cast<std::size_t>(shape.n)),
        row_sums(static_cast<std::size_t>(shape.n)) {
    Random& random = operands.random;
    const auto code = [&] { return static_cast<std::int8_t>(random.integer(-128, 127)); };
    for (auto& value : x) value = code();
    for (auto& value : x_zero_point) value = code();
    for (auto& value : weight) value = code();
    for (float& value : x_scale) value = random.scale(options.small_integers);
    for (float& value : weight_scale) value = random.scale(options.small_integers);
    sum_rows();
  }

  void sum_rows() {
    for (std::size_t i = 0; i < row_sums.size(); ++i) {
      row_sums[i] = 0;
      const auto k = static_cast<std::size_t>(operands.shape.k);
      for (std::size_t j = 0; j < k; ++j) row_sums[i] += weight[i * k + j];
    }
  }

  LinearW8A8Args args() {
    const auto [m, n, k] = operands.shape;
    return {x.data(),
            x_scale.data(),
            with_zero_point ? x_zero_point.data() : nullptr,
            m,
            n,
            k,
            weight.data(),
            weight_scale.data(),
            row_sums.data(),
            operands.bias_data(),
            operands.out.mutable_view(),
            nullptr};
  }

  // The formula, with the integer sum in 64 bits and fp32 steps rounded one by one.
  float expected(std::int64_t m, std::int64_t n) const {
    std::int64_t sum = 0;
    const std::int64_t width = operands.shape.k;
    const int zero_point = with_zero_point ? x_zero_point[static_cast<std::size_t>(m)] : 0;
    for (std::int64_t k = 0; k < width; ++k) {
      sum += (x[static_cast<std::size_t>(m * width + k)] - zero_point) *
             weight[static_cast<std::size_t>(n * width + k)];
    }
    const float scaled = static_cast<float>(sum) * x_scale[static_cast<std::size_t>(m)];
    const float value = scaled * weight_scale[static_cast<std::size_t>(n)];
    return operands.options.bias ? value + operands.bias[static_cast<std::size_t>(n)] : value;
  }

  void expect_exact() const {
    const auto [m_count, n_count, k_count] = operands.shape;
    for (std::int64_t m = 0; m < m_count; ++m) {
      for (std::int64_t n = 0; n < n_count; ++n) {
        TestMatrix rounded(operands.options.out, 1, 1, 0);
        rounded.set(0, 0, expected(m, n));
        ASSERT_EQ(operands.out.get(m, n), rounded.get(0, 0))
            << m << " " << n << " of " << m_count << "x" << n_count << "x" << k_count;
      }
    }
    ASSERT_TRUE(operands.out.padding_is_intact());
  }
};

Problem make(Shape shape, Options options) { return {shape, options, false}; }

class LinearW8A8 : public testing::TestWithParam<Implementation<LinearW8A8Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

// Defined bit for bit.
TEST_P(LinearW8A8, IsTheFormulaBitForBit) {
  const std::vector<Shape> shapes{{1, 1, 1},      {1, 576, 192}, {1, 33, 100}, {2, 48, 64},
                                  {3, 50, 97},    {4, 17, 576},  {5, 49, 31},  {8, 96, 700},
                                  {13, 20, 33},   {70, 130, 65}, {257, 5, 40}, {2, 6, 17000},
                                  {40, 34, 1280}, {9, 18, 34}};
  int turn = 0;
  for (const Shape& shape : shapes) {
    for (const bool zero_point : {false, true}) {
      for (const DType out : {DType::kF32, DType::kBF16, DType::kF16}) {
        Problem problem(shape,
                        {.out = out, .bias = turn % 2 == 0, .padding = turn % 3 == 0 ? 5 : 0},
                        zero_point);
        ++turn;
        if (!run_unless_few_rows(GetParam(), problem)) continue;
        problem.expect_exact();
        if (HasFatalFailure()) return;
      }
    }
  }
}

// The activation function of what the formula gives, then rounded: to float formats, and to int8
// codes within what a result's error moves them.
TEST_P(LinearW8A8, EpilogueFollowsTheFormula) {
  using enum Activation;
  for (const Shape shape : {Shape{1, 33, 64}, Shape{3, 100, 40}, Shape{9, 50, 97}}) {
    for (const Activation activation : {kNone, kRelu, kGelu, kGeluTanh, kSilu}) {
      for (const DType out : {DType::kF32, DType::kBF16, DType::kI8}) {
        Problem problem(shape, {.out = out, .padding = 5}, true);
        const float reciprocal_scale = out == DType::kI8 ? 40.0F : 1.0F;
        LinearW8A8Args args = problem.args();
        args.epilogue = {activation, reciprocal_scale};
        if (GetParam().refuse(args) != nullptr) continue;
        GetParam().run(args);
        for (std::int64_t m = 0; m < shape.m; ++m) {
          for (std::int64_t n = 0; n < shape.n; ++n) {
            const double value = problem.expected(m, n);
            const double result = activate(activation, value);
            const double error = activation == kNone || activation == kRelu
                                     ? 0.0
                                     : 1e-6 * (std::fabs(value) + std::fabs(result));
            const double got = problem.operands.out.get(m, n);
            if (out == DType::kI8) {
              const auto code = [&](double x) {
                return std::clamp(std::nearbyint(x * reciprocal_scale), -128.0, 127.0);
              };
              ASSERT_LE(code(result - error), got) << value;
              ASSERT_GE(code(result + error), got) << value;
            } else {
              ASSERT_LE(std::fabs(got - result), error + half_ulp(out, std::fabs(result) + error))
                  << value;
            }
          }
        }
        ASSERT_TRUE(problem.operands.out.padding_is_intact());
      }
    }
  }
}

TEST_P(LinearW8A8, NanIsCodeZero) {
  Problem problem({9, 20, 64}, {.out = DType::kI8}, false);
  problem.x_scale[1] = std::numeric_limits<float>::quiet_NaN();
  problem.x_scale[2] = std::numeric_limits<float>::infinity();
  ASSERT_TRUE(run_problem(GetParam(), problem));
  for (std::int64_t n = 0; n < 20; ++n) {
    EXPECT_EQ(problem.operands.out.get(1, n), 0);
    EXPECT_EQ(std::fabs(problem.operands.out.get(2, n) + 0.5F), 127.5F);
  }
}

// The largest sums that fit int32.
TEST_P(LinearW8A8, LargestSums) {
  for (const std::int64_t m : {1, 5, 9}) {
    for (const int code : {-128, 127}) {
      Problem problem({m, 2, 131071}, {}, false);
      std::fill(problem.x.begin(), problem.x.end(), static_cast<std::int8_t>(-128));
      std::fill(problem.weight.begin(), problem.weight.end(), static_cast<std::int8_t>(code));
      problem.sum_rows();
      if (!run_unless_few_rows(GetParam(), problem)) continue;
      problem.expect_exact();
    }
  }
}

TEST_P(LinearW8A8, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearW8A8, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST_P(LinearW8A8, NanScaleOfXStaysInItsRow) {
  Problem problem = make({9, 20, 64}, {});
  problem.x_scale[1] = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(run_problem(GetParam(), problem));
  for (std::int64_t m = 0; m < 9; ++m) {
    for (std::int64_t n = 0; n < 20; ++n) {
      EXPECT_EQ(std::isnan(problem.operands.out.get(m, n)), m == 1);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearW8A8,
                         testing::ValuesIn(linear_w8a8_implementations().begin(),
                                           linear_w8a8_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
