#include "kernels/linear_w4a16/linear_w4a16.h"

#include "linear_testing.h"

namespace lowp::kernels {
namespace {

enum class Zeros { kNone, kPoint, kFloat };

struct Problem {
  Operands operands;
  std::int64_t group;
  Guarded<std::uint8_t> weight;  // pairs
  DType scale_dtype;
  TestMatrix scale;
  Guarded<std::int8_t> zero_point;
  TestMatrix zero;
  Zeros zeros;

  Problem(Shape shape, Options options, std::int64_t group, DType scale_dtype, Zeros zeros)
      : operands(shape, options),
        group(group),
        weight(static_cast<std::size_t>(shape.n * shape.k / 2)),
        scale_dtype(scale_dtype),
        scale(scale_dtype, shape.n, shape.k / group, 0),
        zero_point(static_cast<std::size_t>(shape.n * (shape.k / group))),
        zero(scale_dtype, shape.n, shape.k / group, 0),
        zeros(zeros) {
    Random& random = operands.random;
    for (auto& pair : weight) pair = static_cast<std::uint8_t>(random.integer(0, 255));
    for (auto& value : zero_point) value = static_cast<std::int8_t>(random.integer(-8, 7));
    for (std::int64_t n = 0; n < shape.n; ++n) {
      for (std::int64_t g = 0; g < shape.k / group; ++g) {
        scale.set(n, g, random.scale(options.small_integers));
        zero.set(n, g, options.small_integers ? random.integer(-4, 4) : 0.01F * random.normal());
      }
    }
  }

  LinearW4A16Args args() {
    return {operands.x.view(),
            weight.data(),
            scale.view().data,
            zeros == Zeros::kPoint ? zero_point.data() : nullptr,
            zeros == Zeros::kFloat ? zero.view().data : nullptr,
            scale_dtype,
            group,
            operands.bias_data(),
            operands.out.mutable_view(),
            nullptr};
  }
  double x_value(std::int64_t m, std::int64_t k) const { return operands.x.get(m, k); }
  int code(std::int64_t n, std::int64_t k) const {
    const unsigned pair = weight[static_cast<std::size_t>((n * operands.shape.k + k) / 2)];
    const int unsigned_code = static_cast<int>(k % 2 == 0 ? pair & 15 : pair >> 4);
    return unsigned_code < 8 ? unsigned_code : unsigned_code - 16;
  }
  // What is taken off a code, as a value.
  double offset(std::int64_t n, std::int64_t k) const {
    if (zeros == Zeros::kFloat) return zero.get(n, k / group);
    if (zeros == Zeros::kNone) return 0.0;
    const std::int64_t at = n * (operands.shape.k / group) + k / group;
    return -double{scale.get(n, k / group)} * zero_point[static_cast<std::size_t>(at)];
  }
  double weight_value(std::int64_t n, std::int64_t k) const {
    return double{scale.get(n, k / group)} * code(n, k) + offset(n, k);
  }
  // The two parts are summed apart.
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(double{scale.get(n, k / group)} * code(n, k)) + std::fabs(offset(n, k));
  }
};

Problem make(Shape shape, Options options) {
  return {shape, options, shape.k, DType::kF32, Zeros::kNone};
}

class LinearW4A16 : public testing::TestWithParam<Implementation<LinearW4A16Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 2},    {1, 576, 192}, {1, 33, 100}, {2, 48, 64},
                                 {3, 50, 98},  {4, 17, 576},  {5, 49, 30},  {8, 96, 300},
                                 {13, 20, 34}, {70, 130, 66}, {257, 5, 40}, {1, 6, 17000}};

TEST_P(LinearW4A16, IsTheProductUpToRounding) { test_products(GetParam(), kShapes, make); }

TEST_P(LinearW4A16, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearW4A16, DoesNotDependOnThreads) {
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make);
}

TEST_P(LinearW4A16, NonFiniteXStaysInItsRow) { test_non_finite_x(GetParam(), make); }

TEST_P(LinearW4A16, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

TEST_P(LinearW4A16, ScalesAndShiftsEachGroup) {
  for (const std::int64_t group : {16, 32, 64, 48, 128, 192}) {
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      for (const Zeros zeros : {Zeros::kNone, Zeros::kPoint, Zeros::kFloat}) {
        const auto grouped = [&](Shape shape, Options options) {
          return Problem(shape, options, group, dtype, zeros);
        };
        const std::vector<Shape> shapes{{1, 35, 3 * group}, {3, 20, group},     {1, 22, 4 * group},
                                        {1, 9, 16 * group}, {4, 17, 2 * group}, {6, 50, 5 * group},
                                        {11, 49, 3 * group}};
        test_products(GetParam(), shapes, grouped);
        test_exact(GetParam(), shapes, grouped);
      }
    }
  }
}

// Kernels for many rows put x in an order of their own, in which a group of 48 does not fill its
// last tile.
TEST_P(LinearW4A16, ManyRowsOfSeveralGroups) {
  if (GetParam().isa == Isa::kAvxVnni) GTEST_SKIP() << "it takes few rows alone";
  for (const std::int64_t group : {48, 128}) {
    const auto grouped = [&](Shape shape, Options options) {
      return Problem(shape, options, group, DType::kF32, Zeros::kPoint);
    };
    test_products(GetParam(), {{133, 17, 1152}}, grouped);
  }
}

// One row of x may be taken as fixed point, whose unit must be a normal number: what is too large,
// too small, zero or not finite still gives the product.
TEST_P(LinearW4A16, AnyRangeOfXGivesTheProduct) {
  for (const float factor : {0.0F, 0x1p-105F, 0x1p-60F, 0x1p60F, 0x1p105F}) {
    for (const std::int64_t group : {32, 64, 128}) {
      Problem problem({1, 21, 4 * group}, {.bias = false}, group, DType::kF32, Zeros::kPoint);
      for (std::int64_t k = 0; k < 4 * group; ++k) {
        // A group of zeros, and one whose numbers differ by 2^40.
        const float part = k < group ? 0.0F : (k < 2 * group && k % 3 == 0 ? 0x1p-40F : 1.0F);
        problem.operands.x.set(0, k, problem.operands.x.get(0, k) * part * factor);
      }
      if (!run_problem(GetParam(), problem)) continue;  // some levels take bf16 alone
      expect_product(problem);
    }
  }
}

TEST_P(LinearW4A16, NonFiniteXOfOneRowSpoilsAllOfIt) {
  for (const float value :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Problem problem({1, 21, 256}, {.x = DType::kBF16}, 64, DType::kF32, Zeros::kNone);
    problem.operands.x.set(0, 77, value);
    if (!run_unless_few_rows(GetParam(), problem)) continue;
    for (std::int64_t n = 0; n < 21; ++n) {
      EXPECT_FALSE(std::isfinite(problem.operands.out.get(0, n))) << n;
    }
  }
}

// Each scale of a row, so that a kernel that reads a neighbour's beside the last ones shows it.
TEST_P(LinearW4A16, NanScaleSpoilsItsOutputAlone) {
  for (const std::int64_t group : {16, 32, 64}) {
    constexpr std::int64_t kColumns = 576;
    for (std::int64_t i = 0; i < kColumns / group; ++i) {
      Problem problem({1, 20, kColumns}, {.x = DType::kBF16}, group, DType::kF32, Zeros::kNone);
      problem.scale.set(5, i, std::numeric_limits<float>::quiet_NaN());
      if (!run_unless_few_rows(GetParam(), problem)) continue;
      for (std::int64_t n = 0; n < 20; ++n) {
        EXPECT_EQ(std::isnan(problem.operands.out.get(0, n)), n == 5) << n << ", scale " << i;
      }
    }
  }
}

// Few rows are for vectors of AVX2, in groups that those take.
TEST(LinearW4A16Choice, WideVectorsTakeSeveralRows) {
  const auto choice = [](std::int64_t m, std::int64_t group) {
    return chosen(linear_w4a16_implementations(),
                  Problem({m, 16, 3 * group}, {}, group, DType::kF32, Zeros::kNone));
  };
  EXPECT_FALSE(choice(1, 64).starts_with("avx512"));
  EXPECT_FALSE(choice(4, 128).starts_with("avx512"));
  if (available(Isa::kAvx512)) {
    EXPECT_TRUE(choice(1, 48).starts_with("avx512"));
    EXPECT_TRUE(choice(5, 64).starts_with("avx512"));
  }
}

// Shorter groups are the reference's.
TEST(LinearW4A16Groups, AnyEvenLengthWorks) {
  for (const std::int64_t group : {2, 6, 8, 22}) {
    Problem problem({5, 19, 4 * group}, {}, group, DType::kF32, Zeros::kFloat);
    linear_w4a16(problem.args());
    expect_product(problem);
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearW4A16,
                         testing::ValuesIn(linear_w4a16_implementations().begin(),
                                           linear_w4a16_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
