// Storage and formulas in double that the tests of the decoder's operations share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "guarded.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/element.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

template <class Args>
void PrintTo(const Implementation<Args>& implementation, std::ostream* out) {
  *out << implementation.name;
}

// A matrix of any dtype with `padding` elements after each row, which must keep their value. Ends
// at a guard page.
class Buffer {
 public:
  Buffer(DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t padding = 0)
      : dtype_(dtype),
        rows_(rows),
        cols_(cols),
        stride_(cols + padding),
        data_(rows * stride_ * (bits(dtype) / 8) + first(), 0x5A) {}

  // Misaligned by two bytes, where the dtype allows it.
  void* data() { return data_.data() + first(); }
  Matrix matrix() { return {data(), dtype_, rows_, cols_, stride_}; }
  MutableMatrix mutable_matrix() { return {data(), dtype_, rows_, cols_, stride_}; }

  float at(std::int64_t row, std::int64_t col) { return load_element(matrix(), row, col); }
  void set(std::int64_t row, std::int64_t col, float value) {
    store_element(mutable_matrix(), row, col, value);
  }

  void fill_normal(unsigned seed, float deviation = 1.0F) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0F, deviation);
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t col = 0; col < cols_; ++col) set(row, col, normal(random));
    }
  }

  bool padding_is_untouched() {
    const std::int64_t bytes = bits(dtype_) / 8;
    const auto* first = static_cast<const std::uint8_t*>(data());
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t i = cols_ * bytes; i < stride_ * bytes; ++i) {
        if (first[row * stride_ * bytes + i] != 0x5A) return false;
      }
    }
    return true;
  }

 private:
  std::int64_t first() const { return dtype_ == DType::kF32 ? 0 : 2; }

  DType dtype_;
  std::int64_t rows_, cols_, stride_;
  Guarded<std::uint8_t> data_;
};

// One rounding to the dtype: half a unit in the last place of 24, 11 or 8 bits.
inline double epsilon(DType dtype) {
  return dtype == DType::kF32 ? 0x1p-24 : dtype == DType::kF16 ? 0x1p-11 : 0x1p-8;
}

inline constexpr DType kFloats[] = {DType::kF32, DType::kF16, DType::kBF16};

// Every implementation with every dtype.
template <class Args>
class DecoderOperation : public testing::TestWithParam<std::tuple<Implementation<Args>, DType>> {
 protected:
  void SetUp() override {
    if (!available(implementation().isa)) {
      GTEST_SKIP() << "the machine lacks " << name(implementation().isa);
    }
  }
  const Implementation<Args>& implementation() const { return std::get<0>(this->GetParam()); }
  DType dtype() const { return std::get<1>(this->GetParam()); }

  // Skips nothing silently: an implementation that refuses runs as the reference does.
  void run(const Args& args, std::span<const Implementation<Args>> all) const {
    (implementation().refuse(args) == nullptr ? implementation() : all.back()).run(args);
  }
};

template <class Info>
std::string test_name(const Info& info) {
  return std::string(std::get<0>(info.param).name) + "_" +
         std::string(name(std::get<1>(info.param)));
}

}  // namespace lowp::kernels
