// What the tests of the linear operations share. A Problem<Op> holds random operands; the expected
// product is summed in double precision over dequantized values.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "formats/bf16.h"
#include "formats/fp16.h"
#include "guarded.h"
#include "kernels/runtime/cpu.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/thread_pool.h"

namespace lowp::kernels {

template <class Args>
void PrintTo(const Implementation<Args>& implementation, std::ostream* out) {
  *out << implementation.name;
}

struct Shape {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
};

struct Options {
  DType x = DType::kF32;
  DType out = DType::kF32;
  bool bias = true;
  std::int64_t padding = 0;  // elements between the rows of x and out; misaligns them too
  bool small_integers = false;
};

inline std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// A matrix with its own storage, which ends at a guard page.
class TestMatrix {
 public:
  TestMatrix(DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t padding)
      : dtype_(dtype),
        rows_(rows),
        cols_(cols),
        stride_(cols + padding),
        first_(padding == 0 ? 0 : 1),
        bytes_(static_cast<std::size_t>((rows * stride_ + first_) * size()), kFill) {}

  Matrix view() const { return {data(), dtype_, rows_, cols_, stride_}; }
  MutableMatrix mutable_view() {
    return {const_cast<void*>(data()), dtype_, rows_, cols_, stride_};
  }

  float get(std::int64_t row, std::int64_t col) const {
    const auto at = static_cast<std::size_t>(row * stride_ + col);
    if (dtype_ == DType::kF32) {
      float value;
      std::memcpy(&value, static_cast<const std::uint8_t*>(data()) + 4 * at, 4);
      return value;
    }
    if (dtype_ == DType::kI8) {
      return static_cast<const std::int8_t*>(data())[at];
    }
    std::uint16_t code;
    std::memcpy(&code, static_cast<const std::uint8_t*>(data()) + 2 * at, 2);
    return dtype_ == DType::kBF16 ? Bf16::to_float(code) : Fp16::to_float(code);
  }

  void set(std::int64_t row, std::int64_t col, float value) {
    const auto at = static_cast<std::size_t>(row * stride_ + col);
    auto* bytes = static_cast<std::uint8_t*>(const_cast<void*>(data()));
    if (dtype_ == DType::kF32) {
      std::memcpy(bytes + 4 * at, &value, 4);
      return;
    }
    const std::uint16_t code =
        dtype_ == DType::kBF16 ? Bf16::from_float(value) : Fp16::from_float(value);
    std::memcpy(bytes + 2 * at, &code, 2);
  }

  // Whether what lies between and behind the rows is as it was made.
  bool padding_is_intact() const {
    const std::int64_t row_bytes = cols_ * size();
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      const std::int64_t at = static_cast<std::int64_t>(i) - first_ * size();
      const bool inside =
          at >= 0 && at < rows_ * stride_ * size() && at % (stride_ * size()) < row_bytes;
      if (!inside && bytes_[i] != kFill) return false;
    }
    return true;
  }

 private:
  static constexpr std::uint8_t kFill = 0xA5;
  std::int64_t size() const { return bits(dtype_) / 8; }
  const void* data() const { return bytes_.data() + first_ * size(); }

  DType dtype_;
  std::int64_t rows_;
  std::int64_t cols_;
  std::int64_t stride_;
  std::int64_t first_;
  Guarded<std::uint8_t> bytes_;
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  float normal() { return normal_(engine_); }
  int integer(int low, int high) { return std::uniform_int_distribution(low, high)(engine_); }
  // A scale as quantizers give, or a power of two.
  float scale(bool power_of_two) {
    return power_of_two ? std::ldexp(1.0F, integer(-2, 2)) : 0.001F + 0.01F * std::fabs(normal());
  }
  std::uint8_t e4m3_code(bool small) {
    if (small) return static_cast<std::uint8_t>(integer(0, 1) * 0x80 + integer(6, 9) * 8);
    const int code = integer(0, 254);
    return static_cast<std::uint8_t>(code == 0x7F ? 0 : code);
  }
  // Finite, at most 448 or 224; small: powers of two, the same in both formats.
  std::uint8_t fp8_code(DType dtype, bool small) {
    if (dtype == DType::kF8E4M3) return e4m3_code(small);
    const int magnitude = small ? integer(14, 17) * 4 : integer(0, 0x5B);
    return static_cast<std::uint8_t>(integer(0, 1) * 0x80 + magnitude);
  }

 private:
  std::mt19937 engine_;
  std::normal_distribution<float> normal_;
};

// x, bias and out of a problem; the weight is the operation's.
struct Operands {
  Shape shape;
  Options options;
  Random random;
  TestMatrix x;
  Guarded<float> bias;
  TestMatrix out;

  Operands(Shape shape, Options options)
      : shape(shape),
        options(options),
        random(static_cast<unsigned>(shape.m * 1000003 + shape.n * 1009 + shape.k)),
        x(options.x, shape.m, shape.k, options.padding),
        bias(static_cast<std::size_t>(options.bias ? shape.n : 0)),
        out(options.out, shape.m, shape.n, options.padding) {
    for (std::int64_t row = 0; row < shape.m; ++row) {
      for (std::int64_t col = 0; col < shape.k; ++col) {
        x.set(row, col, options.small_integers ? random.integer(-3, 3) : random.normal());
      }
    }
    for (float& value : bias)
      value = options.small_integers ? random.integer(-9, 9) : random.normal();
  }

  const float* bias_data() const { return options.bias ? bias.data() : nullptr; }
};

// Half a unit in the last place of the output's dtype, at `value`.
inline double half_ulp(DType dtype, double value) {
  const double smallest = dtype == DType::kF16 ? 0x1p-14 : 0x1p-126;
  const int digits = dtype == DType::kF32 ? 24 : (dtype == DType::kF16 ? 11 : 8);
  const int exponent = std::ilogb(std::max(std::fabs(value), smallest));
  return std::ldexp(0.5, exponent + 1 - digits);
}

// A sum of K products in fp32, in any order: each product passes through at most K additions and a
// few multiplications by scales, each with a relative error of 2^-24. Twice that for the two
// roundings of a fused pair of products.
template <class Problem>
void expect_product(const Problem& problem) {
  const Operands& operands = problem.operands;
  const auto [m_count, n_count, k_count] = operands.shape;
  for (std::int64_t m = 0; m < m_count; ++m) {
    for (std::int64_t n = 0; n < n_count; ++n) {
      double sum = operands.options.bias ? operands.bias[static_cast<std::size_t>(n)] : 0.0;
      double magnitude = std::fabs(sum);
      for (std::int64_t k = 0; k < k_count; ++k) {
        sum += problem.x_value(m, k) * problem.weight_value(n, k);
        double x = std::fabs(problem.x_value(m, k));
        if constexpr (requires { problem.x_magnitude(m, k); }) x = problem.x_magnitude(m, k);
        magnitude += x * problem.weight_magnitude(n, k);
      }
      const double rounding = static_cast<double>(k_count + 8) * 0x1p-23 * magnitude;
      const double bound = rounding + half_ulp(operands.options.out, std::fabs(sum) + rounding);
      const double got = operands.out.get(m, n);
      ASSERT_LE(std::fabs(got - sum), operands.options.small_integers ? 0.0 : bound)
          << "m " << m << " n " << n << " of " << m_count << "x" << n_count << "x" << k_count
          << ", x " << name(operands.options.x) << ", out " << name(operands.options.out)
          << ", got " << got << ", expected " << sum;
    }
  }
  ASSERT_TRUE(operands.out.padding_is_intact());
}

// Runs the problem unless the implementation refuses it; whether it ran.
template <class Args, class Problem>
bool run_problem(const Implementation<Args>& implementation, Problem& problem,
                 const ParallelFor* parallel = nullptr) {
  Args args = problem.args();
  args.parallel = parallel;
  if (implementation.refuse(args) != nullptr) return false;
  implementation.run(args);
  return true;
}

// Runs the problem; levels above AVX2 alone may refuse, and few rows alone, which are not worth
// tiles or wide vectors.
template <class Args, class Problem>
bool run_unless_few_rows(const Implementation<Args>& implementation, Problem& problem) {
  const bool ran = run_problem(implementation, problem);
  const bool may_refuse = implementation.isa > Isa::kAvx2 && problem.operands.shape.m <= 4;
  EXPECT_TRUE(ran || may_refuse) << implementation.name << " refuses";
  return ran;
}

inline bool skip_missing(Isa isa) { return !available(isa); }

// Random operands in every combination of dtypes and layouts over `shapes`.
template <class Args, class MakeProblem>
void test_products(const Implementation<Args>& implementation, const std::vector<Shape>& shapes,
                   const MakeProblem& make) {
  int ran = 0;
  int turn = 0;
  const DType outs[] = {DType::kF32, DType::kBF16, DType::kF16};
  for (const Shape& shape : shapes) {
    for (const DType x : {DType::kF32, DType::kBF16, DType::kF16}) {
      const Options options{
          .x = x, .out = outs[turn % 3], .bias = turn % 2 == 0, .padding = turn % 4 < 2 ? 0 : 5};
      ++turn;
      auto problem = make(shape, options);
      if (!run_problem(implementation, problem)) continue;
      expect_product(problem);
      if (testing::Test::HasFatalFailure()) return;
      ++ran;
    }
  }
  EXPECT_GT(ran, 0);
}

// Operands whose products and sums are exact in fp32: no error at all.
template <class Args, class MakeProblem>
void test_exact(const Implementation<Args>& implementation, const std::vector<Shape>& shapes,
                const MakeProblem& make) {
  int ran = 0;
  for (const Shape& shape : shapes) {
    for (const DType x : {DType::kF32, DType::kBF16}) {
      auto problem = make(shape, Options{.x = x, .small_integers = true});
      if (!run_problem(implementation, problem)) continue;
      expect_product(problem);
      if (testing::Test::HasFatalFailure()) return;
      ++ran;
    }
  }
  EXPECT_GT(ran, 0);
}

inline std::vector<float> outputs(const Operands& operands) {
  std::vector<float> values;
  for (std::int64_t m = 0; m < operands.shape.m; ++m) {
    for (std::int64_t n = 0; n < operands.shape.n; ++n) values.push_back(operands.out.get(m, n));
  }
  return values;
}

// The split over threads does not show in the result.
template <class Args, class MakeProblem>
void test_threads(const Implementation<Args>& implementation, const std::vector<Shape>& shapes,
                  const MakeProblem& make) {
  ThreadPool pool(3);
  int ran = 0;
  for (const Shape& shape : shapes) {
    for (const DType x : {DType::kF32, DType::kBF16}) {
      auto alone = make(shape, Options{.x = x});
      auto together = make(shape, Options{.x = x});
      if (!run_problem(implementation, alone)) continue;
      ASSERT_TRUE(run_problem(implementation, together, pool.parallel_for()));
      EXPECT_EQ(outputs(alone.operands), outputs(together.operands)) << shape.m;
      ++ran;
    }
  }
  EXPECT_GT(ran, 0);
}

// A row of x with a NaN or an infinity gives no finite number and leaves the other rows alone.
template <class Args, class MakeProblem>
void test_non_finite_x(const Implementation<Args>& implementation, const MakeProblem& make) {
  int ran = 0;
  for (const std::int64_t rows : {1, 3, 9}) {
    const std::int64_t row = rows / 3;
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const DType x : {DType::kF32, DType::kBF16}) {
        auto clean = make(Shape{rows, 33, 128}, Options{.x = x, .out = x});
        auto spoilt = make(Shape{rows, 33, 128}, Options{.x = x, .out = x});
        spoilt.operands.x.set(row, 77, bad);
        if (!run_problem(implementation, clean)) continue;
        ASSERT_TRUE(run_problem(implementation, spoilt));
        ++ran;
        for (std::int64_t m = 0; m < rows; ++m) {
          for (std::int64_t n = 0; n < 33; ++n) {
            if (m == row) {
              EXPECT_FALSE(std::isfinite(spoilt.operands.out.get(m, n)));
            } else {
              EXPECT_EQ(spoilt.operands.out.get(m, n), clean.operands.out.get(m, n));
            }
          }
        }
      }
    }
  }
  EXPECT_GT(ran, 0);
}

// One row of x may be taken as fixed point or with another exponent: what is too large, too small
// or zero still gives the product.
template <class Args, class MakeProblem>
void test_any_range_of_x(const Implementation<Args>& implementation, const MakeProblem& make) {
  constexpr std::int64_t kColumns = 160;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const float factor : {0.0F, 0x1p-105F, 0x1p-60F, 0x1p25F, 0x1p60F, 0x1p105F}) {
      auto problem = make(Shape{1, 21, kColumns}, Options{.x = dtype, .out = dtype, .bias = false});
      for (std::int64_t k = 0; k < kColumns; ++k) {
        // Groups of zeros, and some whose numbers differ by 2^40.
        const float part = k < 64 ? 0.0F : (k < 128 && k % 3 == 0 ? 0x1p-40F : 1.0F);
        problem.operands.x.set(0, k, problem.operands.x.get(0, k) * part * factor);
      }
      if (!run_problem(implementation, problem)) continue;  // some levels take bf16 alone
      expect_product(problem);
    }
  }
}

inline void scale_x(Operands& operands, float factor) {
  for (std::int64_t m = 0; m < operands.shape.m; ++m) {
    for (std::int64_t k = 0; k < operands.shape.k; ++k) {
      operands.x.set(m, k, operands.x.get(m, k) * factor);
    }
  }
}

// e8m0 scales at the ends of those that leave the weight finite; x makes up for them. Below
// `least_normal`, elements are subnormal in bf16: where scales are multiplied into them,
// vdpbf16ps and AMX take them for zeros.
template <class Args, class MakeProblem>
void test_any_scale(const Implementation<Args>& implementation, const MakeProblem& make,
                    int least_normal, std::initializer_list<int> exponents) {
  for (const std::int64_t m : {1, 8}) {
    for (const int exponent : exponents) {
      if (m > 4 && exponent < least_normal && implementation.isa >= Isa::kAvx512Bf16) continue;
      auto problem = make(Shape{m, 20, 96}, Options{.x = DType::kBF16, .bias = false});
      for (auto& code : problem.scale) code = static_cast<std::uint8_t>(exponent);
      scale_x(problem.operands, std::ldexp(1.0F, exponent < 127 ? 90 : -90));
      if (!run_unless_few_rows(implementation, problem)) continue;
      expect_product(problem);
    }
  }
}

// A NaN among the scales of blocks spoils its output alone. Each scale of a row, so that a kernel
// that reads a neighbour's beside the last ones shows it. spoil(problem, i) makes scale i NaN.
template <class Args, class MakeProblem, class Spoil>
void test_nan_scale(const Implementation<Args>& implementation, std::int64_t block,
                    const MakeProblem& make, const Spoil& spoil) {
  for (const Shape shape : {Shape{1, 20, 96}, {8, 20, 96}, {1, 20, 576}}) {
    const std::int64_t scales = shape.k / block;
    for (std::int64_t i = 0; i < scales; ++i) {
      const DType out = i % 2 == 0 ? DType::kBF16 : DType::kF32;
      auto problem = make(shape, Options{.x = DType::kBF16, .out = out});
      spoil(problem, static_cast<std::size_t>(5 * scales + i));
      if (!run_unless_few_rows(implementation, problem)) continue;
      for (std::int64_t n = 0; n < 20; ++n) {
        EXPECT_EQ(std::isnan(problem.operands.out.get(0, n)), n == 5) << n << ", scale " << i;
      }
    }
  }
}

template <class Args, class MakeProblem>
void test_no_rows(const Implementation<Args>& implementation, const MakeProblem& make) {
  auto problem = make(Shape{0, 16, 128}, Options{.x = DType::kBF16});
  if (const char* reason = implementation.refuse(problem.args())) GTEST_SKIP() << reason;
  run_problem(implementation, problem);
  EXPECT_TRUE(problem.operands.out.padding_is_intact());
}

// The list's own order: what a call with these arguments runs.
template <class Args, class Problem>
std::string chosen(std::span<const Implementation<Args>> list, Problem problem) {
  return choose("test", list, problem.args()).name;
}

}  // namespace lowp::kernels
