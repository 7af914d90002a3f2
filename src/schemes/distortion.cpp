#include "schemes/distortion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "formats/e2m1.h"
#include "formats/e2m3.h"
#include "formats/e3m2.h"
#include "formats/e4m3.h"
#include "formats/e8m0.h"
#include "formats/integers.h"
#include "kernels/distortion/distortion.h"

namespace lowp {
namespace {

using kernels::Matrix;

struct Interval {
  float low;
  float high;
};

Interval symmetric(float bound) { return {-bound, bound}; }

// What the codes of the block with scale `index` can express.
Interval code_range(const QuantizedWeight& weight, std::size_t index) {
  switch (weight.scheme.weight) {
    case WeightFormat::kInt8:
      return {-128 * weight.scale[index], 127 * weight.scale[index]};
    case WeightFormat::kInt4: {
      const float scale = weight.scale[index];
      const float zero_point = weight.zero_point.empty() ? 0.0F : weight.zero_point[index];
      const float zero = weight.zero.empty() ? 0.0F : weight.zero[index];
      return {(-8 - zero_point) * scale + zero, (7 - zero_point) * scale + zero};
    }
    case WeightFormat::kIntx: {
      const float zero_point = weight.zero_point.empty() ? 0.0F : weight.zero_point[index];
      const IntRange range = signed_range(weight.scheme.bits);
      return {(static_cast<float>(range.min) - zero_point) * weight.scale[index],
              (static_cast<float>(range.max) - zero_point) * weight.scale[index]};
    }
    case WeightFormat::kFp8:
      return symmetric(E4m3::kMax * weight.scale[index]);
    case WeightFormat::kMxfp8:
      return symmetric(E4m3::kMax * E8m0::to_float(weight.block_scale[index]));
    case WeightFormat::kMxfp6E2m3:
      return symmetric(E2m3::kMax * E8m0::to_float(weight.block_scale[index]));
    case WeightFormat::kMxfp6E3m2:
      return symmetric(E3m2::kMax * E8m0::to_float(weight.block_scale[index]));
    case WeightFormat::kMxfp4:
      return symmetric(E2m1::kMax * E8m0::to_float(weight.block_scale[index]));
    case WeightFormat::kNvfp4:
      return symmetric(E2m1::kMax * E4m3::to_float(weight.block_scale[index]) *
                       weight.tensor_scale);
  }
  return symmetric(std::numeric_limits<float>::infinity());
}

// Columns that share a scale, and the index of a row's first scale.
struct ScaleGrid {
  ScaleGrid(const QuantizedWeight& weight)
      : block(scale_block(weight.scheme, weight.n, weight.k)),
        columns((weight.k + block.cols - 1) / block.cols) {}

  std::size_t row_begin(std::int64_t row) const {
    return static_cast<std::size_t>(row / block.rows * columns);
  }

  kernels::Block block;
  std::int64_t columns;
};

}  // namespace

Distortion& Distortion::operator+=(const Distortion& other) {
  signal += other.signal;
  noise += other.noise;
  max_error = std::max(max_error, other.max_error);
  count += other.count;
  clipped += other.clipped;
  zeros += other.zeros;
  non_finite += other.non_finite;
  bad_values += other.bad_values;
  return *this;
}

double Distortion::sqnr_db() const {
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(signal / noise);
}

double Distortion::relative_error() const { return noise == 0 ? 0 : std::sqrt(noise / signal); }

double Distortion::clipped_share() const {
  return count == 0 ? 0 : static_cast<double>(clipped) / static_cast<double>(count);
}

double Distortion::zero_share() const {
  return count == 0 ? 0 : static_cast<double>(zeros) / static_cast<double>(count);
}

Distortion distortion(const QuantizedWeight& quantized, const Matrix& original) {
  constexpr std::int64_t kElements = 4096;  // the values of a step stay in the first-level cache
  const ScaleGrid grid(quantized);
  const std::int64_t most_rows =
      std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, quantized.k));
  std::vector<float> values;
  std::vector<float> low;
  std::vector<float> high;
  kernels::DistortionSums sums;
  for (std::int64_t row = 0; row < quantized.n;) {
    std::int64_t rows = std::min(most_rows, quantized.n - row);
    // The dequantizer takes rows of one block alone, or whole blocks.
    if (grid.block.rows > 1) rows = std::min(rows, grid.block.rows - row % grid.block.rows);
    values.resize(static_cast<std::size_t>(rows * quantized.k));
    dequantize_weight_rows(quantized, row,
                           {values.data(), DType::kF32, rows, quantized.k, quantized.k});
    low.clear();
    high.clear();
    for (std::int64_t r = row; r < row + rows; ++r) {
      for (std::int64_t c = 0; c < grid.columns; ++c) {
        const Interval range =
            code_range(quantized, grid.row_begin(r) + static_cast<std::size_t>(c));
        low.push_back(range.low);
        high.push_back(range.high);
      }
    }
    const auto* x = static_cast<const std::byte*>(original.data) +
                    row * original.stride * bits(original.dtype) / 8;
    kernels::distortion({.x = {x, original.dtype, rows, quantized.k, original.stride},
                         .y = values.data(),
                         .block_cols = grid.block.cols,
                         .low = low.data(),
                         .high = high.data(),
                         .sums = &sums});
    row += rows;
  }
  return {.signal = sums.signal,
          .noise = sums.noise,
          .max_error = sums.max_error,
          .count = quantized.n * quantized.k,
          .clipped = sums.clipped,
          .zeros = sums.zeros,
          .non_finite = sums.non_finite,
          .bad_values = sums.bad_values};
}

}  // namespace lowp
