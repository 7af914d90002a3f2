#include "kernels/linear_w4a8/linear_w4a8.h"

#include "linear_testing.h"

namespace lowp::kernels {
namespace {

enum class Zeros { kNone, kPoint, kFloat };

// What a problem is beside its shape.
struct Format {
  std::int64_t group;
  DType scale_dtype = DType::kF32;
  Zeros zeros = Zeros::kNone;
  bool asymmetric_x = false;
};

struct Problem {
  Operands operands;
  Format format;
  Guarded<std::int8_t> x;
  Guarded<float> x_scale;
  Guarded<std::int8_t> x_zero_point;
  Guarded<std::uint8_t> weight;  // pairs
  TestMatrix scale;
  Guarded<std::int8_t> zero_point;
  TestMatrix zero;
  Guarded<float> row_sums;

  Problem(Shape shape, Options options, Format format)
      : operands(shape, options),
        format(format),
        x(static_cast<std::size_t>(shape.m * shape.k)),
        x_scale(static_cast<std::size_t>(shape.m)),
        x_zero_point(static_cast<std::size_t>(format.asymmetric_x ? shape.m : 0)),
        weight(static_cast<std::size_t>(shape.n * shape.k / 2)),
        scale(format.scale_dtype, shape.n, shape.k / format.group, 0),
        zero_point(static_cast<std::size_t>(
            format.zeros == Zeros::kPoint ? shape.n * (shape.k / format.group) : 0)),
        zero(format.scale_dtype, shape.n, shape.k / format.group, 0),
        row_sums(static_cast<std::size_t>(format.asymmetric_x ? shape.n : 0)) {
    Random& random = operands.random;
    const bool small = options.small_integers;
    const int largest = small ? 3 : 127;
    for (auto& code : x) code = static_cast<std::int8_t>(random.integer(-largest - 1, largest));
    for (float& value : x_scale) value = random.scale(small);
    for (auto& value : x_zero_point) {
      value = static_cast<std::int8_t>(random.integer(-largest - 1, largest));
    }
    for (auto& pair : weight) pair = static_cast<std::uint8_t>(random.integer(0, 255));
    for (auto& value : zero_point) value = static_cast<std::int8_t>(random.integer(-8, 7));
    for (std::int64_t n = 0; n < shape.n; ++n) {
      for (std::int64_t g = 0; g < shape.k / format.group; ++g) {
        scale.set(n, g, random.scale(small));
        zero.set(n, g, small ? random.integer(-4, 4) : 0.01F * random.normal());
      }
    }
    sum_rows();
  }

  void sum_rows() {
    for (std::size_t n = 0; n < row_sums.size(); ++n) {
      double sum = 0;
      for (std::int64_t k = 0; k < operands.shape.k; ++k) {
        sum += weight_value(static_cast<std::int64_t>(n), k);
      }
      row_sums[n] = static_cast<float>(sum);
    }
  }

  LinearW4A8Args args() {
    const auto [m, n, k] = operands.shape;
    return {
        .x = x.data(),
        .x_scale = x_scale.data(),
        .x_zero_point = format.asymmetric_x ? x_zero_point.data() : nullptr,
        .m = m,
        .n = n,
        .k = k,
        .weight = weight.data(),
        .scale = scale.view().data,
        .zero_point = format.zeros == Zeros::kPoint ? zero_point.data() : nullptr,
        .zero = format.zeros == Zeros::kFloat ? zero.view().data : nullptr,
        .scale_dtype = format.scale_dtype,
        .group_size = format.group,
        .row_sums = format.asymmetric_x ? row_sums.data() : nullptr,
        .bias = operands.bias_data(),
        .out = operands.out.mutable_view(),
        .parallel = nullptr,
    };
  }

  int x_code(std::int64_t m, std::int64_t k) const {
    return x[static_cast<std::size_t>(m * operands.shape.k + k)];
  }
  int x_zero(std::int64_t m) const {
    return format.asymmetric_x ? x_zero_point[static_cast<std::size_t>(m)] : 0;
  }
  double x_value(std::int64_t m, std::int64_t k) const {
    return double{x_scale[static_cast<std::size_t>(m)]} * (x_code(m, k) - x_zero(m));
  }
  // Code and zero point are summed apart.
  double x_magnitude(std::int64_t m, std::int64_t k) const {
    return double{x_scale[static_cast<std::size_t>(m)]} *
           (std::abs(x_code(m, k)) + std::abs(x_zero(m)));
  }
  int code(std::int64_t n, std::int64_t k) const {
    const unsigned pair = weight[static_cast<std::size_t>((n * operands.shape.k + k) / 2)];
    const int unsigned_code = static_cast<int>(k % 2 == 0 ? pair & 15 : pair >> 4);
    return unsigned_code < 8 ? unsigned_code : unsigned_code - 16;
  }
  double scaled_code(std::int64_t n, std::int64_t k) const {
    const std::int64_t group = k / format.group;
    const std::int64_t at = n * (operands.shape.k / format.group) + group;
    const int point = format.zeros == Zeros::kPoint ? zero_point[static_cast<std::size_t>(at)] : 0;
    return double{scale.get(n, group)} * (code(n, k) - point);
  }
  double float_zero(std::int64_t n, std::int64_t k) const {
    return format.zeros == Zeros::kFloat ? zero.get(n, k / format.group) : 0.0;
  }
  double weight_value(std::int64_t n, std::int64_t k) const {
    return scaled_code(n, k) + float_zero(n, k);
  }
  // Integer zero points are part of the exact sum, float zeros are not.
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(scaled_code(n, k)) + std::fabs(float_zero(n, k));
  }
};

Problem make(Shape shape, Options options) { return {shape, options, {.group = shape.k}}; }

class LinearW4A8 : public testing::TestWithParam<Implementation<LinearW4A8Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 2},    {1, 576, 192}, {1, 33, 100}, {2, 48, 64},
                                 {3, 50, 98},  {4, 17, 576},  {5, 49, 30},  {8, 96, 300},
                                 {13, 20, 34}, {70, 130, 66}, {257, 5, 40}, {1, 6, 17000},
                                 {3, 5, 33000}};

TEST_P(LinearW4A8, IsTheProductUpToRounding) { test_products(GetParam(), kShapes, make); }

TEST_P(LinearW4A8, IsExactOnSmallIntegers) { test_exact(GetParam(), kShapes, make); }

TEST_P(LinearW4A8, ScalesAndShiftsEachGroup) {
  for (const std::int64_t group : {32, 36, 64, 96, 128, 160, 256, 384}) {
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      for (const Zeros zeros : {Zeros::kNone, Zeros::kPoint, Zeros::kFloat}) {
        for (const bool asymmetric_x : {false, true}) {
          const auto grouped = [&](Shape shape, Options options) {
            return Problem(shape, options, {group, dtype, zeros, asymmetric_x});
          };
          const std::vector<Shape> shapes{{1, 35, 3 * group},
                                          {3, 20, group},
                                          {4, 17, 2 * group},
                                          {6, 50, 5 * group},
                                          {11, 49, 7 * group}};
          test_products(GetParam(), shapes, grouped);
          test_exact(GetParam(), shapes, grouped);
        }
      }
    }
  }
}

// Kernels for many rows put x in an order of their own, in which a group of 36 does not fill its
// last tile.
TEST_P(LinearW4A8, ManyRowsOfSeveralGroups) {
  for (const std::int64_t group : {36, 128}) {
    const auto grouped = [&](Shape shape, Options options) {
      return Problem(shape, options, {group, DType::kF32, Zeros::kFloat, true});
    };
    test_products(GetParam(), {{133, 17, 1152}}, grouped);
  }
}

// The largest sums of products that the multipliers hold in 16 bits and in fp32.
TEST_P(LinearW4A8, LargestSums) {
  for (const std::int64_t m : {1, 5}) {
    for (const std::uint8_t pair : {0x77, 0x88}) {
      for (const std::int64_t group : {32, 256, 1024, 131072}) {
        const std::int64_t k = std::max<std::int64_t>(group, 1024);
        Problem problem({m, 3, k}, {.bias = false}, {.group = group});
        std::fill(problem.x.begin(), problem.x.end(), static_cast<std::int8_t>(-128));
        std::fill(problem.weight.begin(), problem.weight.end(), pair);
        if (!run_unless_few_rows(GetParam(), problem)) continue;
        expect_product(problem);
      }
    }
  }
}

// Codes of zero give zero, whatever offsets the kernels work with.
TEST_P(LinearW4A8, CodesAtTheZeroPointGiveZero) {
  for (const std::int64_t m : {1, 4, 9}) {
    for (const bool asymmetric_x : {false, true}) {
      Problem problem({m, 21, 384}, {.bias = false},
                      {96, DType::kF32, Zeros::kPoint, asymmetric_x});
      std::fill(problem.weight.begin(), problem.weight.end(), std::uint8_t{0xBB});
      std::fill(problem.zero_point.begin(), problem.zero_point.end(), std::int8_t{-5});
      problem.sum_rows();
      if (!run_unless_few_rows(GetParam(), problem)) continue;
      for (const float value : outputs(problem.operands)) ASSERT_EQ(value, 0.0F);
    }
  }
}

TEST_P(LinearW4A8, DoesNotDependOnThreads) {
  const auto grouped = [](Shape shape, Options options) {
    return Problem(shape, options, {.group = 64});
  };
  test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, grouped);
}

TEST_P(LinearW4A8, NoRowsGiveNothing) { test_no_rows(GetParam(), make); }

// Each scale of a row, so that a kernel that reads a neighbour's beside the last ones shows it.
TEST_P(LinearW4A8, NanScaleSpoilsItsOutputAlone) {
  for (const std::int64_t group : {32, 64, 192}) {
    constexpr std::int64_t kColumns = 576;
    for (std::int64_t i = 0; i < kColumns / group; ++i) {
      for (const std::int64_t m : {1, 5}) {
        Problem problem({m, 20, kColumns}, {}, {.group = group});
        problem.scale.set(5, i, std::numeric_limits<float>::quiet_NaN());
        if (!run_unless_few_rows(GetParam(), problem)) continue;
        for (std::int64_t n = 0; n < 20; ++n) {
          EXPECT_EQ(std::isnan(problem.operands.out.get(0, n)), n == 5) << n << ", scale " << i;
        }
      }
    }
  }
}

TEST_P(LinearW4A8, NanScaleOfXStaysInItsRow) {
  Problem problem = make({9, 20, 64}, {});
  problem.x_scale[1] = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(run_problem(GetParam(), problem));
  for (std::int64_t m = 0; m < 9; ++m) {
    for (std::int64_t n = 0; n < 20; ++n) {
      EXPECT_EQ(std::isnan(problem.operands.out.get(m, n)), m == 1);
    }
  }
}

// One row is for vectors of AVX2, unless it has zero points.
TEST(LinearW4A8Choice, WideVectorsTakeSeveralRows) {
  const auto choice = [](std::int64_t m, Zeros zeros) {
    return chosen(linear_w4a8_implementations(),
                  Problem({m, 16, 128}, {}, {64, DType::kF32, zeros}));
  };
  EXPECT_FALSE(choice(1, Zeros::kNone).starts_with("avx512"));
  if (available(Isa::kAvx512)) {
    EXPECT_TRUE(choice(1, Zeros::kPoint).starts_with("avx512"));
    EXPECT_TRUE(choice(4, Zeros::kNone).starts_with("avx512"));
  }
}

// Shorter groups, and such as end within a step, are the reference's.
TEST(LinearW4A8Groups, AnyEvenLengthWorks) {
  for (const std::int64_t group : {2, 6, 8, 22, 34}) {
    Problem problem({5, 19, 4 * group}, {}, {group, DType::kF32, Zeros::kFloat, true});
    linear_w4a8(problem.args());
    expect_product(problem);
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearW4A8,
                         testing::ValuesIn(linear_w4a8_implementations().begin(),
                                           linear_w4a8_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
