#pragma once

#include <cstdint>
#include <span>

#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

// Sums over the elements that are finite in both matrices.
struct DistortionSums {
  double signal = 0;            // sum of x^2
  double noise = 0;             // sum of (x - y)^2
  float max_error = 0;          // largest |x - y|
  std::int64_t clipped = 0;     // x outside [low, high] of its block
  std::int64_t zeros = 0;       // x is not 0, y is
  std::int64_t non_finite = 0;  // x is NaN or Inf
  std::int64_t bad_values = 0;  // x is finite, y is NaN or Inf
};

// Compares x with y, x after quantization. All implementations add in the same order (16 lanes
// along each row, then the lanes), so their results are equal.
struct DistortionArgs {
  Matrix x;                 // (rows, cols)
  const float* y;           // (rows, cols), contiguous
  std::int64_t block_cols;  // columns of a block
  const float* low;         // (rows, ceil(cols / block_cols)): what the codes can express
  const float* high;        // as low
  DistortionSums* sums;     // added to
};

void distortion(const DistortionArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<DistortionArgs>> distortion_implementations();

}  // namespace lowp::kernels
