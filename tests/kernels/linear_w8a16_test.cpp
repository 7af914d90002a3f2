#include "kernels/linear_w8a16/linear_w8a16.h"

#include "linear_testing.h"

namespace lowp::kernels {
namespace {

struct Problem {
  Operands operands;
  std::int64_t group;
  Guarded<std::int8_t> weight;
  Guarded<float> scale;

  Problem(Shape shape, Options options, std::int64_t group)
      : operands(shape, options),
        group(group),
        weight(static_cast<std::size_t>(shape.n * shape.k)),
        scale(static_cast<std::size_t>(shape.n * (shape.k / group))) {
    Random& random = operands.random;
    const int limit = options.small_integers ? 9 : 128;
    for (auto& code : weight) code = static_cast<std::int8_t>(random.integer(-limit, limit - 1));
    for (float& value : scale) value = random.scale(options.small_integers);
  }

  LinearW8A16Args args() {
    return {operands.x.view(),           weight.data(), scale.data(), group, operands.bias_data(),
            operands.out.mutable_view(), nullptr};
  }
  double x_value(std::int64_t m, std::int64_t k) const { return operands.x.get(m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const {
    const std::int64_t width = operands.shape.k;
    return static_cast<double>(scale[static_cast<std::size_t>(n * (width / group) + k / group)]) *
           weight[static_cast<std::size_t>(n * width + k)];
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

Problem make(Shape shape, Options options) { return {shape, options, shape.k}; }

class LinearW8A16 : public testing::TestWithParam<Implementation<LinearW8A16Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 1},    {1, 576, 192}, {1, 33, 100}, {2, 48, 64},
                                 {3, 50, 97},  {4, 17, 576},  {5, 49, 31},  {8, 96, 300},
                                 {13, 20, 33}, {70, 130, 65}, {257, 5, 40}, {1, 6, 17000}};

TEST_P(LinearW8A16, IsTheProductUpToRounding) { test_products(GetParam(), kShapes, make); }

TEST_P(LinearW8A16, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearW8A16, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearW8A16, NonFiniteXStaysInItsRow) { test_non_finite_x(GetParam(), make); }

TEST_P(LinearW8A16, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST_P(LinearW8A16, ScalesEachGroup) {
  for (const std::int64_t group : {32, 64, 48, 128, 192, 320}) {
    const auto grouped = [group](Shape shape, Options options) {
      return Problem(shape, options, group);
    };
    const std::vector<Shape> shapes{{1, 35, 3 * group},
                                    {3, 20, group},
                                    {4, 17, 2 * group},
                                    {6, 50, 5 * group},
                                    {11, 49, 3 * group}};
    test_products(GetParam(), shapes, grouped);
    test_exact(GetParam(), shapes, grouped);
  }
}

// Shorter or odd groups are the reference's.
TEST(LinearW8A16Groups, AnyLengthWorks) {
  for (const std::int64_t group : {1, 3, 8, 21}) {
    Problem problem({5, 19, 4 * group}, {}, group);
    linear_w8a16(problem.args());
    expect_product(problem);
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearW8A16,
                         testing::ValuesIn(linear_w8a16_implementations().begin(),
                                           linear_w8a16_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
