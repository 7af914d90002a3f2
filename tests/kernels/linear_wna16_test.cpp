#include "kernels/linear_wna16/linear_wna16.h"

#include "formats/packing.h"
#include "linear_testing.h"

namespace lowp::kernels {
namespace {

enum class Zeros { kNone, kPoint, kFloat };

struct Format {
  int bits;
  std::int64_t group;
  DType scale_dtype = DType::kF32;
  Zeros zeros = Zeros::kNone;
};

struct Problem {
  Operands operands;
  Format format;
  Guarded<std::uint8_t> weight;  // streams
  TestMatrix scale;
  Guarded<std::int8_t> zero_point;
  TestMatrix zero;

  Problem(Shape shape, Options options, Format format)
      : operands(shape, options),
        format(format),
        weight(static_cast<std::size_t>(shape.n * shape.k / 8 * format.bits)),
        scale(format.scale_dtype, shape.n, shape.k / format.group, 0),
        zero_point(static_cast<std::size_t>(shape.n * (shape.k / format.group))),
        zero(format.scale_dtype, shape.n, shape.k / format.group, 0) {
    Random& random = operands.random;
    for (auto& byte : weight) byte = static_cast<std::uint8_t>(random.integer(0, 255));
    const int offset = intx_offset(format.bits);
    for (auto& value : zero_point) {
      value = static_cast<std::int8_t>(random.integer(-offset, offset - 1));
    }
    for (std::int64_t n = 0; n < shape.n; ++n) {
      for (std::int64_t g = 0; g < shape.k / format.group; ++g) {
        scale.set(n, g, random.scale(options.small_integers));
        zero.set(n, g, options.small_integers ? random.integer(-4, 4) : 0.01F * random.normal());
      }
    }
  }

  LinearWnA16Args args() {
    return {.x = operands.x.view(),
            .weight = weight.data(),
            .bits = format.bits,
            .scale = scale.view().data,
            .zero_point = format.zeros == Zeros::kPoint ? zero_point.data() : nullptr,
            .zero = format.zeros == Zeros::kFloat ? zero.view().data : nullptr,
            .scale_dtype = format.scale_dtype,
            .group_size = format.group,
            .bias = operands.bias_data(),
            .out = operands.out.mutable_view(),
            .parallel = nullptr};
  }
  double x_value(std::int64_t m, std::int64_t k) const { return operands.x.get(m, k); }
  int stored(std::int64_t n, std::int64_t k) const {
    const std::uint8_t* row = weight.data() + n * (operands.shape.k / 8 * format.bits);
    return static_cast<int>(bit_stream_code(row, k, format.bits));
  }
  // The two parts that are added, as values.
  double scaled_code(std::int64_t n, std::int64_t k) const {
    const int offset = format.zeros == Zeros::kFloat ? 0 : intx_offset(format.bits);
    return double{scale.get(n, k / format.group)} * (stored(n, k) - offset);
  }
  double shift(std::int64_t n, std::int64_t k) const {
    if (format.zeros == Zeros::kFloat) return zero.get(n, k / format.group);
    if (format.zeros == Zeros::kNone) return 0.0;
    const std::int64_t at = n * (operands.shape.k / format.group) + k / format.group;
    return -double{scale.get(n, k / format.group)} * zero_point[static_cast<std::size_t>(at)];
  }
  double weight_value(std::int64_t n, std::int64_t k) const {
    return scaled_code(n, k) + shift(n, k);
  }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(scaled_code(n, k)) + std::fabs(shift(n, k));
  }
};

// One scale a row.
auto make_with(int bits) {
  return [bits](Shape shape, Options options) {
    return Problem(shape, options, {.bits = bits, .group = shape.k});
  };
}

class LinearWnA16 : public testing::TestWithParam<Implementation<LinearWnA16Args>> {
 protected:
  void SetUp() override {
    if (skip_missing(GetParam().isa)) GTEST_SKIP() << "the machine lacks " << name(GetParam().isa);
  }
};

// Rows of one code to 17000, in and out of whole vectors.
const std::vector<Shape> kShapes{{1, 1, 8},    {1, 76, 192},  {1, 33, 104}, {2, 48, 64},
                                 {3, 50, 96},  {4, 17, 576},  {5, 49, 40},  {8, 96, 296},
                                 {13, 20, 40}, {70, 130, 72}, {1, 3, 4096}, {2, 3, 17000}};

TEST_P(LinearWnA16, IsTheProductUpToRounding) {
  for (int bits = 1; bits <= 7; ++bits) test_products(GetParam(), kShapes, make_with(bits));
}

TEST_P(LinearWnA16, IsExactOnSmallIntegers) {
  for (int bits = 1; bits <= 7; ++bits) test_exact(GetParam(), kShapes, make_with(bits));
}

TEST_P(LinearWnA16, DoesNotDependOnThreads) {
  for (const int bits : {2, 3}) {
    test_threads(GetParam(), {{1, 2000, 128}, {37, 700, 256}, {300, 200, 128}}, make_with(bits));
  }
}

TEST_P(LinearWnA16, NonFiniteXStaysInItsRow) {
  for (const int bits : {2, 5}) test_non_finite_x(GetParam(), make_with(bits));
}

TEST_P(LinearWnA16, NoRowsGiveNothing) { test_no_rows(GetParam(), make_with(3)); }

TEST_P(LinearWnA16, ScalesAndShiftsEachGroup) {
  for (int bits = 1; bits <= 7; ++bits) {
    for (const std::int64_t group : {16, 32, 64, 48, 96, 128}) {
      for (const Zeros zeros : {Zeros::kNone, Zeros::kPoint, Zeros::kFloat}) {
        const DType dtype = (bits + group / 16) % 2 == 0 ? DType::kBF16 : DType::kF32;
        const auto grouped = [&](Shape shape, Options options) {
          return Problem(shape, options, {bits, group, dtype, zeros});
        };
        const std::vector<Shape> shapes{{1, 35, 3 * group}, {3, 20, group},     {1, 9, 16 * group},
                                        {4, 7, 2 * group},  {6, 50, 5 * group}, {11, 9, 3 * group}};
        test_products(GetParam(), shapes, grouped);
        test_exact(GetParam(), shapes, grouped);
      }
    }
  }
}

// Groups of more columns than one unit of the fixed point has.
TEST_P(LinearWnA16, LongGroups) {
  for (const std::int64_t group : {1056, 1536, 2048, 4096}) {
    for (const Zeros zeros : {Zeros::kNone, Zeros::kPoint, Zeros::kFloat}) {
      const auto grouped = [&](Shape shape, Options options) {
        return Problem(shape, options, {6, group, DType::kF32, zeros});
      };
      const std::vector<Shape> shapes{{1, 5, 3 * group}, {2, 5, group}, {6, 5, group}};
      test_products(GetParam(), shapes, grouped);
      test_exact(GetParam(), shapes, grouped);
    }
  }
}

// The unit of x's fixed point must be a normal number: what is too large, too small, zero or not
// finite still gives the product.
TEST_P(LinearWnA16, AnyRangeOfXGivesTheProduct) {
  for (const float factor : {0.0F, 0x1p-105F, 0x1p-60F, 0x1p60F, 0x1p105F}) {
    for (const std::int64_t group : {32, 64, 128}) {
      Problem problem({2, 21, 4 * group}, {.bias = false}, {3, group, DType::kF32, Zeros::kPoint});
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

// The largest sums that the byte products have in 16 bits.
TEST_P(LinearWnA16, LargestSums) {
  for (int bits = 1; bits <= 7; ++bits) {
    for (const float value : {-1.0F, 0x1.FFFFFEp0F}) {
      Problem problem({1, 3, 8192}, {.bias = false}, {.bits = bits, .group = 8192});
      for (std::int64_t k = 0; k < 8192; ++k) problem.operands.x.set(0, k, value);
      std::fill(problem.weight.begin(), problem.weight.end(), std::uint8_t{0xFF});
      if (!run_problem(GetParam(), problem)) continue;
      expect_product(problem);
    }
  }
}

// Each scale of a row, so that a kernel that reads a neighbour's beside the last ones shows it.
TEST_P(LinearWnA16, NanScaleSpoilsItsOutputAlone) {
  for (const int bits : {1, 2, 3, 4}) {
    for (const std::int64_t group : {16, 32, 64}) {
      constexpr std::int64_t kColumns = 576;
      for (std::int64_t i = 0; i < kColumns / group; ++i) {
        Problem problem({1, 20, kColumns}, {.x = DType::kBF16}, {bits, group});
        problem.scale.set(5, i, std::numeric_limits<float>::quiet_NaN());
        if (!run_unless_few_rows(GetParam(), problem)) continue;
        for (std::int64_t n = 0; n < 20; ++n) {
          EXPECT_EQ(std::isnan(problem.operands.out.get(0, n)), n == 5) << n << ", scale " << i;
        }
      }
    }
  }
}

// Shorter groups are the reference's.
TEST(LinearWnA16Groups, AnyMultipleOfEightWorks) {
  for (const std::int64_t group : {8, 24, 40}) {
    for (int bits = 1; bits <= 7; ++bits) {
      Problem problem({5, 19, 4 * group}, {}, {bits, group, DType::kF32, Zeros::kFloat});
      linear_wna16(problem.args());
      expect_product(problem);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearWnA16,
                         testing::ValuesIn(linear_wna16_implementations().begin(),
                                           linear_wna16_implementations().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lowp::kernels
