#include "kernels/linear_mxfp4/linear_mxfp4.h"

#include "linear_testing.h"
#include "packed_testing.h"

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

TEST_P(LinearMxfp4, NanScaleSpoilsItsOutputAlone) {
  test_nan_scale(GetParam(), 32, make,
                 [](Problem& problem, std::size_t i) { problem.scale[i] = 255; });
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
      scale_x(problem.operands, std::ldexp(1.0F, exponent < 127 ? 90 : -90));
      if (run_unless_few_rows(GetParam(), problem)) expect_product(problem);
    }
  }
}

using PackedProblem = Packed<Problem, &LinearMxfp4Args::weight_scale, 32>;
PackedProblem make_packed(Shape shape, Options options) { return {shape, options}; }

class LinearMxfp4Packed : public LinearMxfp4 {};

TEST_P(LinearMxfp4Packed, IsTheProductUpToRounding) {
  test_products(GetParam(), kShapes, make_packed);
}

TEST_P(LinearMxfp4Packed, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make_packed); }

TEST_P(LinearMxfp4Packed, HasTheBitsOfThePlainWeight) {
  test_same_bits(GetParam(), make, make_packed);
}

TEST_P(LinearMxfp4Packed, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{2, 2000, 128}, {37, 704, 256}}, make_packed);
}

TEST_P(LinearMxfp4Packed, NonFiniteXStaysInItsRow) { test_non_finite_x(GetParam(), make_packed); }

TEST_P(LinearMxfp4Packed, NoRowsGiveNothing) { test_no_rows(GetParam(), make_packed); }

TEST_P(LinearMxfp4Packed, AnyRangeOfXGivesTheProduct) {
  test_any_range_of_x(GetParam(), make_packed);
}

TEST_P(LinearMxfp4Packed, NanScaleSpoilsItsOutputAlone) {
  test_nan_scale(GetParam(), 32, make_packed,
                 [](PackedProblem& problem, std::size_t i) { problem.scale[i] = 255; });
}

TEST(LinearMxfp4Choice, WiderLevelsLeaveItToAvx2) {
  PackedProblem problem = make_packed({8, 16, 96}, {.x = DType::kBF16});
  EXPECT_EQ(chosen(linear_mxfp4_implementations(), problem),
            available(Isa::kAvx2) ? "avx2" : "reference");
}

INSTANTIATE_TEST_SUITE_P(Avx2, LinearMxfp4Packed,
                         testing::ValuesIn(linear_mxfp4_implementations().last(2).begin(),
                                           linear_mxfp4_implementations().end()),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(All, LinearMxfp4,
                         testing::ValuesIn(linear_mxfp4_implementations().begin(),
                                           linear_mxfp4_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
