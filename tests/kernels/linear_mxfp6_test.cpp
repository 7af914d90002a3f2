#include "kernels/linear_mxfp6/linear_mxfp6.h"

#include "formats/packing.h"
#include "linear_testing.h"

namespace lowp::kernels {
namespace {

// A code's value by its definition: sign, `exponent` bits, the rest mantissa.
double fp6_value(DType element, unsigned code) {
  const int mantissa_bits = element == DType::kF6E2M3 ? 3 : 2;
  const int bias = element == DType::kF6E2M3 ? 1 : 3;
  const int magnitude = static_cast<int>(code & 31U);
  const int exponent = magnitude >> mantissa_bits;
  const int mantissa = magnitude & ((1 << mantissa_bits) - 1);
  const int whole = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
  const double value = std::ldexp(whole, std::max(exponent, 1) - bias - mantissa_bits);
  return (code & 32U) != 0 ? -value : value;
}

struct Problem {
  Operands operands;
  DType element;
  std::array<double, 64> values;
  Guarded<std::uint8_t> weight;  // four codes in three bytes
  Guarded<std::uint8_t> scale;

  Problem(Shape shape, Options options, DType element)
      : operands(shape, options),
        element(element),
        weight(static_cast<std::size_t>(shape.n * shape.k / 4 * 3)),
        scale(static_cast<std::size_t>(shape.n * shape.k / 32)) {
    for (unsigned code = 0; code < 64; ++code) values[code] = fp6_value(element, code);
    Random& random = operands.random;
    for (auto& byte : weight) byte = static_cast<std::uint8_t>(random.integer(0, 255));
    for (auto& code : scale) code = static_cast<std::uint8_t>(127 + random.integer(-3, 3));
  }

  LinearMxfp6Args args() {
    return {operands.x.view(),           weight.data(), element, scale.data(), operands.bias_data(),
            operands.out.mutable_view(), nullptr};
  }
  double x_value(std::int64_t m, std::int64_t k) const { return operands.x.get(m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const {
    const std::uint8_t* row = weight.data() + n * operands.shape.k / 4 * 3;
    const auto at = static_cast<std::size_t>((n * operands.shape.k + k) / 32);
    return values[bit_stream_code(row, k, 6)] * std::ldexp(1.0, scale[at] - 127);
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

auto make_with(DType element) {
  return [element](Shape shape, Options options) { return Problem(shape, options, element); };
}

constexpr DType kElements[] = {DType::kF6E2M3, DType::kF6E3M2};

class LinearMxfp6 : public testing::TestWithParam<Implementation<LinearMxfp6Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 32},     {1, 576, 192}, {1, 33, 96},  {2, 48, 160},
                                 {3, 50, 576},   {4, 17, 96},   {5, 49, 32},  {8, 96, 576},
                                 {70, 130, 160}, {257, 5, 96},  {1, 6, 16416}};

TEST_P(LinearMxfp6, IsTheProductUpToRounding) {
  for (const DType element : kElements) test_products(GetParam(), kShapes, make_with(element));
}

TEST_P(LinearMxfp6, IsExactOnSmallIntegers) {
  for (const DType element : kElements) test_exact(GetParam(), kShapes, make_with(element));
}

TEST_P(LinearMxfp6, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}},
               make_with(DType::kF6E2M3));
}

TEST_P(LinearMxfp6, NonFiniteXStaysInItsRow) {
  for (const DType element : kElements) test_non_finite_x(GetParam(), make_with(element));
}

TEST_P(LinearMxfp6, NoRowsGiveNothing) { test_no_rows(GetParam(), make_with(DType::kF6E2M3)); }

TEST_P(LinearMxfp6, AnyRangeOfXGivesTheProduct) {
  for (const DType element : kElements) test_any_range_of_x(GetParam(), make_with(element));
}

// A one at each column in turn: the weight's value comes back for all codes and places.
TEST_P(LinearMxfp6, EachCodeAtEachPlace) {
  for (const DType element : kElements) {
    for (const std::int64_t m : {1, 64}) {
      Problem problem({m, 64, 64}, {.x = DType::kBF16, .bias = false}, element);
      for (auto& code : problem.scale) code = 127;
      std::uint8_t codes[64];
      for (std::int64_t n = 0; n < 64; ++n) {
        for (std::int64_t k = 0; k < 64; ++k) codes[k] = static_cast<std::uint8_t>((n + k) % 64);
        pack_bit_stream(codes, 64, 6, problem.weight.data() + n * 48);
      }
      for (std::int64_t k = 0; k < 64; ++k) {
        if (m > 1 && k > 0) break;  // all columns at once
        for (std::int64_t row = 0; row < m; ++row) {
          for (std::int64_t i = 0; i < 64; ++i) {
            problem.operands.x.set(row, i, i == (m > 1 ? row : k) ? 1.0F : 0.0F);
          }
        }
        if (!run_unless_few_rows(GetParam(), problem)) break;
        for (std::int64_t row = 0; row < m; ++row) {
          for (std::int64_t n = 0; n < 64; ++n) {
            const auto code = static_cast<unsigned>((n + (m > 1 ? row : k)) % 64);
            EXPECT_EQ(problem.operands.out.get(row, n), fp6_value(element, code)) << code;
          }
        }
      }
    }
  }
}

TEST_P(LinearMxfp6, AnyScaleGivesTheProduct) {
  for (const DType element : kElements) {
    test_any_scale(GetParam(), make_with(element), 5, {0, 1, 4, 5, 60, 250});
  }
}

TEST_P(LinearMxfp6, NanScaleSpoilsItsOutputAlone) {
  for (const DType element : kElements) {
    test_nan_scale(GetParam(), 32, make_with(element),
                   [](Problem& problem, std::size_t i) { problem.scale[i] = 255; });
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearMxfp6,
                         testing::ValuesIn(linear_mxfp6_implementations().begin(),
                                           linear_mxfp6_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
