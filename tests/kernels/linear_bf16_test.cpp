#include "kernels/linear_bf16/linear_bf16.h"

#include "linear_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  Guarded<std::uint16_t> weight;

  Problem(Shape shape, Options options)
      : operands(shape, options), weight(static_cast<std::size_t>(shape.n * shape.k)) {
    for (auto& code : weight) {
      Random& random = operands.random;
      code = Bf16::from_float(options.small_integers ? random.integer(-5, 5) : random.normal());
    }
  }

  LinearBf16Args args() {
    return {operands.x.view(), weight.data(), operands.bias_data(), operands.out.mutable_view(),
            nullptr};
  }
  double x_value(std::int64_t m, std::int64_t k) const { return operands.x.get(m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const {
    return Bf16::to_float(weight[static_cast<std::size_t>(n * operands.shape.k + k)]);
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

Problem make(Shape shape, Options options) { return {shape, options}; }

class LinearBf16 : public testing::TestWithParam<Implementation<LinearBf16Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 1},     {1, 576, 192},   {1, 33, 100}, {2, 48, 64},
                                 {3, 50, 97},   {4, 17, 576},    {5, 49, 31},  {8, 96, 300},
                                 {13, 20, 33},  {70, 130, 65},   {257, 5, 40}, {1, 6, 17000},
                                 {40, 34, 640}, {135, 35, 1100}, {1030, 3, 33}};

TEST_P(LinearBf16, IsTheProductUpToRounding) { test_products(GetParam(), kShapes, make); }

TEST_P(LinearBf16, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearBf16, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearBf16, NonFiniteXStaysInItsRow) { test_non_finite_x(GetParam(), make); }

TEST_P(LinearBf16, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST(LinearBf16Dispatch, KeepsAllDigitsOfX) {
  const auto list = linear_bf16_implementations();
  const char* const fp32 = available(Isa::kAvx512) ? "avx512"
                           : available(Isa::kAvx2) ? "avx2"
                                                   : "reference";
  EXPECT_EQ(chosen(list, make({1, 8, 64}, {.x = DType::kF32})), fp32);
  EXPECT_EQ(chosen(list, make({1, 8, 64}, {.x = DType::kF16})), fp32);
  EXPECT_EQ(chosen(list, make({1, 8, 64}, {.x = DType::kBF16})),
            available(Isa::kAvx512Bf16) ? "avx512_bf16" : fp32);
}

INSTANTIATE_TEST_SUITE_P(All, LinearBf16,
                         testing::ValuesIn(linear_bf16_implementations().begin(),
                                           linear_bf16_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
