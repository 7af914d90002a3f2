#include "kernels/linear_wna8/linear_wna8.h"

#include "formats/packing.h"
#include "linear_testing.h"

namespace lowp::kernels {
namespace {

// What a problem is beside its shape.
struct Format {
  int bits;
  std::int64_t group;
  DType scale_dtype = DType::kF32;
  bool points = false;
  bool asymmetric_x = false;
};

struct Problem {
  Operands operands;
  Format format;
  Guarded<std::int8_t> x;
  Guarded<float> x_scale;
  Guarded<std::int8_t> x_zero_point;
  Guarded<std::uint8_t> weight;  // streams
  TestMatrix scale;
  Guarded<std::int8_t> zero_point;
  Guarded<float> row_sums;

  Problem(Shape shape, Options options, Format format)
      : operands(shape, options),
        format(format),
        x(static_cast<std::size_t>(shape.m * shape.k)),
        x_scale(static_cast<std::size_t>(shape.m)),
        x_zero_point(static_cast<std::size_t>(format.asymmetric_x ? shape.m : 0)),
        weight(static_cast<std::size_t>(shape.n * shape.k / 8 * format.bits)),
        scale(format.scale_dtype, shape.n, shape.k / format.group, 0),
        zero_point(
            static_cast<std::size_t>(format.points ? shape.n * (shape.k / format.group) : 0)),
        row_sums(static_cast<std::size_t>(format.asymmetric_x ? shape.n : 0)) {
    Random& random = operands.random;
    const bool small = options.small_integers;
    const int largest = small ? 3 : 127;
    for (auto& code : x) code = static_cast<std::int8_t>(random.integer(-largest - 1, largest));
    for (float& value : x_scale) value = random.scale(small);
    for (auto& value : x_zero_point) {
      value = static_cast<std::int8_t>(random.integer(-largest - 1, largest));
    }
    for (auto& byte : weight) byte = static_cast<std::uint8_t>(random.integer(0, 255));
    const int offset = intx_offset(format.bits);
    for (auto& value : zero_point) {
      value = static_cast<std::int8_t>(random.integer(-offset, offset - 1));
    }
    for (std::int64_t n = 0; n < shape.n; ++n) {
      for (std::int64_t g = 0; g < shape.k / format.group; ++g) {
        scale.set(n, g, random.scale(small));
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

  LinearWnA8Args args() {
    const auto [m, n, k] = operands.shape;
    return {
        .x = x.data(),
        .x_scale = x_scale.data(),
        .x_zero_point = format.asymmetric_x ? x_zero_point.data() : nullptr,
        .m = m,
        .n = n,
        .k = k,
        .weight = weight.data(),
        .bits = format.bits,
        .scale = scale.view().data,
        .zero_point = format.points ? zero_point.data() : nullptr,
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
    const std::uint8_t* row = weight.data() + n * (operands.shape.k / 8 * format.bits);
    return intx_code(row, k, format.bits);
  }
  double weight_value(std::int64_t n, std::int64_t k) const {
    const std::int64_t group = k / format.group;
    const std::int64_t at = n * (operands.shape.k / format.group) + group;
    const int point = format.points ? zero_point[static_cast<std::size_t>(at)] : 0;
    return double{scale.get(n, group)} * (code(n, k) - point);
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

// One scale a row.
auto make_with(int bits) {
  return [bits](Shape shape, Options options) {
    return Problem(shape, options, {.bits = bits, .group = shape.k});
  };
}

class LinearWnA8 : public testing::TestWithParam<Implementation<LinearWnA8Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

const std::vector<Shape> kShapes{{1, 1, 8},    {1, 76, 192},  {1, 33, 104},  {2, 48, 64},
                                 {3, 50, 96},  {4, 17, 576},  {5, 49, 40},   {8, 96, 296},
                                 {13, 20, 40}, {70, 130, 72}, {1, 6, 17000}, {3, 5, 4096}};

TEST_P(LinearWnA8, IsTheProductUpToRounding) {
  for (int bits = 1; bits <= 7; ++bits) test_products(GetParam(), kShapes, make_with(bits));
}

TEST_P(LinearWnA8, IsExactOnSmallIntegers) {
  for (int bits = 1; bits <= 7; ++bits) test_exact(GetParam(), kShapes, make_with(bits));
}

TEST_P(LinearWnA8, ScalesAndShiftsEachGroup) {
  for (int bits = 1; bits <= 7; ++bits) {
    for (const std::int64_t group : {32, 40, 64, 96, 128, 160, 256}) {
      for (const bool points : {false, true}) {
        for (const bool asymmetric_x : {false, true}) {
          const DType dtype = points == asymmetric_x ? DType::kBF16 : DType::kF32;
          const auto grouped = [&](Shape shape, Options options) {
            return Problem(shape, options, {bits, group, dtype, points, asymmetric_x});
          };
          const std::vector<Shape> shapes{{1, 35, 3 * group},
                                          {3, 20, group},
                                          {4, 7, 2 * group},
                                          {6, 50, 5 * group},
                                          {11, 9, 7 * group}};
          test_products(GetParam(), shapes, grouped);
          test_exact(GetParam(), shapes, grouped);
        }
      }
    }
  }
}

// The largest sums of products that the multipliers hold in 16 bits and in fp32.
TEST_P(LinearWnA8, LargestSums) {
  for (int bits = 1; bits <= 7; ++bits) {
    for (const std::int64_t m : {1, 5}) {
      for (const std::uint8_t byte : {0x00, 0xFF}) {
        for (const std::int64_t group : {32, 1024, 65536}) {
          const std::int64_t k = std::max<std::int64_t>(group, 1024);
          Problem problem({m, 3, k}, {.bias = false}, {.bits = bits, .group = group});
          std::fill(problem.x.begin(), problem.x.end(), static_cast<std::int8_t>(-128));
          std::fill(problem.weight.begin(), problem.weight.end(), byte);
          if (run_unless_few_rows(GetParam(), problem)) expect_product(problem);
        }
      }
    }
  }
}

// Codes of zero give zero, whatever offsets the kernels work with.
TEST_P(LinearWnA8, CodesAtTheZeroPointGiveZero) {
  for (int bits = 1; bits <= 7; ++bits) {
    for (const std::int64_t m : {1, 4, 9}) {
      for (const bool asymmetric_x : {false, true}) {
        Problem problem({m, 21, 384}, {.bias = false}, {bits, 96, DType::kF32, true, asymmetric_x});
        std::fill(problem.weight.begin(), problem.weight.end(), std::uint8_t{0xFF});
        std::fill(problem.zero_point.begin(), problem.zero_point.end(),
                  static_cast<std::int8_t>(intx_offset(bits) - 1));
        problem.sum_rows();
        if (!run_unless_few_rows(GetParam(), problem)) continue;
        for (const float value : outputs(problem.operands)) ASSERT_EQ(value, 0.0F);
      }
    }
  }
}

TEST_P(LinearWnA8, DoesNotDependOnThreads) {
  for (const int bits : {2, 3}) {
    const auto grouped = [bits](Shape shape, Options options) {
      return Problem(shape, options, {.bits = bits, .group = 64});
    };
    test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, grouped);
  }
}

TEST_P(LinearWnA8, NoRowsGiveNothing) { test_no_rows(GetParam(), make_with(3)); }

// Each scale of a row, so that a kernel that reads a neighbour's beside the last ones shows it.
TEST_P(LinearWnA8, NanScaleSpoilsItsOutputAlone) {
  constexpr std::int64_t kColumns = 576;
  for (const int bits : {1, 2, 3, 4}) {
    for (const std::int64_t group : {32, 64, 192}) {
      for (std::int64_t i = 0; i < kColumns / group; ++i) {
        for (const std::int64_t m : {1, 5}) {
          Problem problem({m, 20, kColumns}, {}, {.bits = bits, .group = group});
          problem.scale.set(5, i, std::numeric_limits<float>::quiet_NaN());
          if (!run_unless_few_rows(GetParam(), problem)) continue;
          for (std::int64_t n = 0; n < 20; ++n) {
            EXPECT_EQ(std::isnan(problem.operands.out.get(m - 1, n)), n == 5)
                << n << ", scale " << i << ", rows " << m;
          }
        }
      }
    }
  }
}

TEST_P(LinearWnA8, NanScaleOfXStaysInItsRow) {
  for (const std::int64_t rows : {3, 6}) {
    Problem problem = make_with(5)({rows, 20, 64}, {});
    problem.x_scale[1] = std::numeric_limits<float>::quiet_NaN();
    if (!run_unless_few_rows(GetParam(), problem)) continue;
    for (std::int64_t m = 0; m < rows; ++m) {
      for (std::int64_t n = 0; n < 20; ++n) {
        EXPECT_EQ(std::isnan(problem.operands.out.get(m, n)), m == 1);
      }
    }
  }
}

// Shorter groups are the reference's.
TEST(LinearWnA8Groups, AnyMultipleOfEightWorks) {
  for (const std::int64_t group : {8, 24, 40}) {
    for (int bits = 1; bits <= 7; ++bits) {
      Problem problem({5, 19, 4 * group}, {}, {bits, group, DType::kF32, true, true});
      linear_wna8(problem.args());
      expect_product(problem);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearWnA8,
                         testing::ValuesIn(linear_wna8_implementations().begin(),
                                           linear_wna8_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
