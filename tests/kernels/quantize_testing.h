// What the tests of the quantize and dequantize kernels share: matrices of every element type with
// strides and odd addresses, values that are hard, and a run of each implementation.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "formats/bf16.h"
#include "formats/fp16.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/element.h"
#include "kernels/runtime/thread_pool.h"

namespace lowp::kernels {

template <class Args>
void PrintTo(const Implementation<Args>& implementation, std::ostream* out) {
  *out << implementation.name;
}

// One test for every implementation of an operation; those that the machine lacks are skipped.
template <class Args>
class EachImplementation : public testing::TestWithParam<Implementation<Args>> {
 protected:
  void SetUp() override {
    if (!available(this->GetParam().isa)) {
      GTEST_SKIP() << "the machine lacks " << name(this->GetParam().isa);
    }
  }
};

inline constexpr auto kImplementationName = [](const auto& info) {
  return std::string(info.param.name);
};

#define LOWP_EACH_IMPLEMENTATION(Suite, implementations)                                          \
  INSTANTIATE_TEST_SUITE_P(All, Suite,                                                            \
                           testing::ValuesIn((implementations).begin(), (implementations).end()), \
                           kImplementationName)

inline const ParallelFor* three_threads() {
  static ThreadPool pool(3);
  return pool.parallel_for();
}

// A matrix whose rows lie `padding` elements apart and which starts `offset` elements into its
// buffer. What lies between and around the rows is 0xAB bytes.
class TestMatrix {
 public:
  TestMatrix(DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t padding = 0,
             std::int64_t offset = 0)
      : dtype_(dtype),
        rows_(rows),
        cols_(cols),
        stride_(cols + padding),
        offset_(offset * bits(dtype) / 8),
        bytes_(static_cast<std::size_t>(offset_ + (rows * stride_ + 64) * bits(dtype) / 8), 0xAB) {}

  MutableMatrix out() { return {bytes_.data() + offset_, dtype_, rows_, cols_, stride_}; }
  Matrix view() const { return {bytes_.data() + offset_, dtype_, rows_, cols_, stride_}; }
  float at(std::int64_t row, std::int64_t col) const { return load_element(view(), row, col); }
  void set(std::int64_t row, std::int64_t col, float value) {
    store_element(out(), row, col, value);
  }
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  DType dtype_;
  std::int64_t rows_;
  std::int64_t cols_;
  std::int64_t stride_;
  std::int64_t offset_;  // bytes
  std::vector<std::uint8_t> bytes_;
};

enum class Fill : std::uint8_t {
  kNormal,
  kTiny,       // subnormal in every type, or rounded to zero
  kHuge,       // near the largest number
  kZero,       // of both signs
  kTies,       // halves of small integers: the codes' ties when a value makes the scale simple
  kMixed,      // magnitudes from 2^-40 to 2^15 side by side
  kNaN,        // normal with one NaN of either sign
  kInf,        // normal with one Inf of either sign
  kAllOfBoth,  // normal with NaN, Inf, -Inf in different places
};

inline constexpr std::array kFills{Fill::kNormal, Fill::kTiny, Fill::kHuge,
                                   Fill::kZero,   Fill::kTies, Fill::kMixed,
                                   Fill::kNaN,    Fill::kInf,  Fill::kAllOfBoth};

inline void fill(TestMatrix& matrix, Fill kind, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const auto [data, dtype, rows, cols, stride] = matrix.view();
  const float huge = dtype == DType::kF16 ? 0x1p14F : 0x1p125F;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; ++col) {
      float value = normal(random);
      if (kind == Fill::kTiny) value *= dtype == DType::kF16 ? 0x1p-22F : 0x1p-140F;
      if (kind == Fill::kHuge) value *= huge;
      if (kind == Fill::kZero) value = std::copysign(0.0F, value);
      if (kind == Fill::kTies)
        value = static_cast<float>(static_cast<int>(random() % 256) - 128) / 2;
      if (kind == Fill::kMixed) value = std::ldexp(value, static_cast<int>(random() % 56) - 40);
      matrix.set(row, col, value);
    }
  }
  if (rows == 0 || cols == 0) return;
  const auto poke = [&](float value) {
    matrix.set(static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(rows)),
               static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(cols)), value);
  };
  const float sign = seed % 2 == 0 ? 1.0F : -1.0F;
  if (kind == Fill::kNaN || kind == Fill::kAllOfBoth) poke(std::copysign(kNaN, sign));
  if (kind == Fill::kInf || kind == Fill::kAllOfBoth) poke(sign * kInf);
  if (kind == Fill::kAllOfBoth) poke(-sign * kInf);
}

// Calls body(matrix, description) for every element type and fill, with and without padding and
// an odd address.
template <class Body>
void for_each_matrix(std::int64_t rows, std::int64_t cols, const Body& body) {
  std::uint32_t seed = 1;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const Fill kind : kFills) {
      TestMatrix matrix(dtype, rows, cols, seed % 3, seed % 2);
      fill(matrix, kind, seed++);
      body(matrix, std::string(name(dtype)) + " " + std::to_string(rows) + "x" +
                       std::to_string(cols) + " fill " + std::to_string(static_cast<int>(kind)));
    }
  }
}

// Scales for dequantization, and among them every special one.
inline std::vector<float> special_scales(std::size_t count) {
  const std::array special{0.0F, -0.0F, 0x1p-149F, 0x1p-127F, 0x1p120F, 3e38F,
                           kInf, -kInf, kNaN,      -kNaN,     1.0F,     -0.37F};
  std::mt19937 random(5);
  std::lognormal_distribution<float> ordinary(-3.0F, 1.0F);
  std::vector<float> scales(count);
  for (std::size_t i = 0; i < count; ++i) {
    scales[i] = i % 3 == 1 ? special[i / 3 % special.size()] : ordinary(random);
  }
  return scales;
}

// A buffer that a kernel writes, with 64 bytes behind it that it must not: those are compared too.
template <class T>
struct Output {
  explicit Output(std::int64_t count) : values(static_cast<std::size_t>(count) + 64 / sizeof(T)) {
    std::memset(static_cast<void*>(values.data()), 0xAB, values.size() * sizeof(T));
  }
  T* data() { return values.data(); }
  T operator[](std::int64_t i) const { return values[static_cast<std::size_t>(i)]; }

  std::vector<T> values;
};

// Index of the first element that differs in its bits, -1 if none does.
template <class T>
std::int64_t first_difference(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return static_cast<std::int64_t>(std::min(a.size(), b.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0) return static_cast<std::int64_t>(i);
  }
  return -1;
}

template <class T>
std::int64_t first_difference(const Output<T>& a, const Output<T>& b) {
  return first_difference(a.values, b.values);
}

}  // namespace lowp::kernels
