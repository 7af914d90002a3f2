#include "kernels/linear_nvfp4/linear_nvfp4.h"

#include "formats/e4m3.h"
#include "linear_testing.h"
#include "packed_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  Guarded<std::uint8_t> weight;  // pairs
  Guarded<std::uint8_t> block_scale;
  float tensor_scale;

  Problem(Shape shape, Options options)
      : operands(shape, options),
        weight(static_cast<std::size_t>(shape.n * shape.k / 2)),
        block_scale(weight.size() / 8),
        tensor_scale(options.small_integers ? 0.5F : 0.0123F) {
    Random& random = operands.random;
    for (auto& pair : weight) pair = static_cast<std::uint8_t>(random.integer(0, 255));
    for (auto& code : block_scale) code = random.e4m3_code(options.small_integers) & 0x7FU;
  }

  LinearNvfp4Args args() {
    return {operands.x.view(),
            weight.data(),
            block_scale.data(),
            &tensor_scale,
            operands.bias_data(),
            operands.out.mutable_view(),
            nullptr};
  }
  double x_value(std::int64_t m, std::int64_t k) const { return operands.x.get(m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const {
    const auto at = static_cast<std::size_t>(n * operands.shape.k + k);
    const unsigned code = at % 2 == 0 ? weight[at / 2] & 15U : weight[at / 2] >> 4U;
    constexpr double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    return kMagnitudes[code % 8] * (code < 8 ? 1 : -1) * E4m3::to_float(block_scale[at / 16]) *
           tensor_scale;
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

Problem make(Shape shape, Options options) { return {shape, options}; }

class LinearNvfp4 : public testing::TestWithParam<Implementation<LinearNvfp4Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 16},    {1, 576, 192}, {1, 33, 48},  {2, 48, 80},
                                 {3, 50, 576},  {4, 17, 48},   {5, 49, 16},  {8, 96, 576},
                                 {70, 130, 80}, {257, 5, 48},  {1, 6, 16400}};

TEST_P(LinearNvfp4, IsTheProductUpToRounding) { test_products(GetParam(), kShapes, make); }

TEST_P(LinearNvfp4, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearNvfp4, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearNvfp4, NonFiniteXStaysInItsRow) { test_non_finite_x(GetParam(), make); }

TEST_P(LinearNvfp4, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST_P(LinearNvfp4, AnyRangeOfXGivesTheProduct) { test_any_range_of_x(GetParam(), make); }

TEST_P(LinearNvfp4, NanScaleSpoilsItsOutputAlone) {
  test_nan_scale(GetParam(), 16, make,
                 [](Problem& problem, std::size_t i) { problem.block_scale[i] = 0x7F; });
}

using PackedProblem = Packed<Problem, &LinearNvfp4Args::weight_block_scale, 16>;
PackedProblem make_packed(Shape shape, Options options) { return {shape, options}; }

class LinearNvfp4Packed : public LinearNvfp4 {};

TEST_P(LinearNvfp4Packed, IsTheProductUpToRounding) {
  test_products(GetParam(), kShapes, make_packed);
}

TEST_P(LinearNvfp4Packed, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make_packed); }

TEST_P(LinearNvfp4Packed, HasTheBitsOfThePlainWeight) {
  test_same_bits(GetParam(), make, make_packed);
}

TEST_P(LinearNvfp4Packed, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{2, 2000, 128}, {37, 704, 256}}, make_packed);
}

TEST_P(LinearNvfp4Packed, NonFiniteXStaysInItsRow) { test_non_finite_x(GetParam(), make_packed); }

TEST_P(LinearNvfp4Packed, NoRowsGiveNothing) { test_no_rows(GetParam(), make_packed); }

TEST_P(LinearNvfp4Packed, AnyRangeOfXGivesTheProduct) {
  test_any_range_of_x(GetParam(), make_packed);
}

TEST_P(LinearNvfp4Packed, NanScaleSpoilsItsOutputAlone) {
  test_nan_scale(GetParam(), 16, make_packed,
                 [](PackedProblem& problem, std::size_t i) { problem.block_scale[i] = 0x7F; });
}

TEST(LinearNvfp4Choice, WiderLevelsLeaveItToAvx2) {
  PackedProblem problem = make_packed({8, 16, 96}, {.x = DType::kBF16});
  EXPECT_EQ(chosen(linear_nvfp4_implementations(), problem),
            available(Isa::kAvx2) ? "avx2" : "reference");
}

INSTANTIATE_TEST_SUITE_P(Avx2, LinearNvfp4Packed,
                         testing::ValuesIn(linear_nvfp4_implementations().last(2).begin(),
                                           linear_nvfp4_implementations().end()),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(All, LinearNvfp4,
                         testing::ValuesIn(linear_nvfp4_implementations().begin(),
                                           linear_nvfp4_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
