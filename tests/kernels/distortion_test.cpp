#include "kernels/distortion/distortion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "formats/bf16.h"
#include "formats/fp16.h"
#include "kernels/runtime/cpu.h"

namespace lowp::kernels {
namespace {

struct Case {
  DType dtype;
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t stride;
  std::int64_t block_cols;
};

// x in its dtype, y near it, and now and then a value that is special in one of the two.
struct Data {
  explicit Data(const Case& c) : test(c), x(static_cast<std::size_t>(c.rows * c.stride)) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (float& value : x) value = rounded(normal(random));
    const float inf = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> special{0.0F, -0.0F, inf, -inf, nan, 1.0F};
    for (std::int64_t row = 0; row < c.rows; ++row) {
      for (std::int64_t col = 0; col < c.cols; ++col) {
        float& value = x[static_cast<std::size_t>(row * c.stride + col)];
        float after = value + 0.1F * normal(random);
        const unsigned pick = random() % 16;
        if (pick < special.size()) value = special[pick];
        if (pick >= 3 && pick < 3 + special.size()) after = special[pick - 3];
        y.push_back(after);
      }
    }
    const std::int64_t blocks = (c.cols + c.block_cols - 1) / c.block_cols;
    for (std::int64_t i = 0; i < c.rows * blocks; ++i) {
      low.push_back(-1 - std::abs(normal(random)));
      high.push_back(1 + std::abs(normal(random)));
    }
    for (const float value : x) {
      if (c.dtype == DType::kF32) store(value);
      if (c.dtype == DType::kBF16) store(Bf16::from_float(value));
      if (c.dtype == DType::kF16) store(Fp16::from_float(value));
    }
  }

  float rounded(float value) const {
    if (test.dtype == DType::kBF16) return Bf16::round(value);
    return test.dtype == DType::kF16 ? Fp16::round(value) : value;
  }

  template <class T>
  void store(T value) {
    const auto* data = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), data, data + sizeof(T));
  }

  DistortionSums run(const Implementation<DistortionArgs>& implementation) const {
    DistortionSums sums;
    implementation.run({.x = {bytes.data(), test.dtype, test.rows, test.cols, test.stride},
                        .y = y.data(),
                        .block_cols = test.block_cols,
                        .low = low.data(),
                        .high = high.data(),
                        .sums = &sums});
    return sums;
  }

  // One element at a time, straight from the definitions.
  DistortionSums expected() const {
    DistortionSums sums;
    const std::int64_t blocks = (test.cols + test.block_cols - 1) / test.block_cols;
    for (std::int64_t row = 0; row < test.rows; ++row) {
      for (std::int64_t col = 0; col < test.cols; ++col) {
        const float before = x[static_cast<std::size_t>(row * test.stride + col)];
        const float after = y[static_cast<std::size_t>(row * test.cols + col)];
        const auto block = static_cast<std::size_t>(row * blocks + col / test.block_cols);
        if (!std::isfinite(before)) {
          ++sums.non_finite;
          continue;
        }
        if (!std::isfinite(after)) {
          ++sums.bad_values;
          continue;
        }
        const float error = before - after;
        sums.signal += static_cast<double>(before) * before;
        sums.noise += static_cast<double>(error) * error;
        sums.max_error = std::max(sums.max_error, std::abs(error));
        sums.clipped += before < low[block] || before > high[block] ? 1 : 0;
        sums.zeros += before != 0 && after == 0 ? 1 : 0;
      }
    }
    return sums;
  }

  Case test;
  std::vector<float> x;
  std::vector<std::byte> bytes;
  std::vector<float> y;
  std::vector<float> low;
  std::vector<float> high;
};

class Distortion : public testing::TestWithParam<Case> {};

TEST_P(Distortion, EveryImplementationFollowsTheDefinitions) {
  const Data data(GetParam());
  const DistortionSums expected = data.expected();
  const DistortionSums reference = data.run(distortion_implementations().back());
  for (const auto& implementation : distortion_implementations()) {
    if (!available(implementation.isa)) continue;
    SCOPED_TRACE(implementation.name);
    const DistortionSums sums = data.run(implementation);
    // Another order of n additions of positive numbers in double: within n * 2^-53 of each other.
    const double bound = static_cast<double>(data.y.size()) * 0x1p-53;
    EXPECT_NEAR(sums.signal, expected.signal, expected.signal * bound);
    EXPECT_NEAR(sums.noise, expected.noise, expected.noise * bound);
    EXPECT_EQ(sums.signal, reference.signal);
    EXPECT_EQ(sums.noise, reference.noise);
    EXPECT_EQ(sums.max_error, expected.max_error);
    EXPECT_EQ(sums.clipped, expected.clipped);
    EXPECT_EQ(sums.zeros, expected.zeros);
    EXPECT_EQ(sums.non_finite, expected.non_finite);
    EXPECT_EQ(sums.bad_values, expected.bad_values);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Distortion,
    testing::Values(Case{DType::kBF16, 5, 256, 256, 256}, Case{DType::kBF16, 3, 130, 141, 64},
                    Case{DType::kBF16, 2, 48, 48, 16}, Case{DType::kF32, 4, 100, 100, 32},
                    Case{DType::kF32, 1, 7, 7, 7}, Case{DType::kF16, 3, 200, 203, 128},
                    Case{DType::kF16, 0, 16, 16, 16}));

}  // namespace
}  // namespace lowp::kernels
