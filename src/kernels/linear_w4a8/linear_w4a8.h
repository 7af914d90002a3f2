#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// int8 activations and int4 weights in groups along K (numerics 9). The int32 sum of a group is
// exact, everything after it fp32:
//   out = x_scale[m] * sum_g (scale * sum_k (x - zx)(code - zero_point)) + bias
// or, with zero, x_scale[m] * sum_g (scale * sum_k (x - zx) code + zero * sum_k (x - zx)) + bias.
struct LinearW4A8Args {
  const std::int8_t* x;             // (M, K), contiguous
  const float* x_scale;             // (M)
  const std::int8_t* x_zero_point;  // (M), or nullptr
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  const std::uint8_t* weight;     // (N, K / 2), two's-complement nibbles, even k low
  const void* scale;              // (N, K / group_size)
  const std::int8_t* zero_point;  // as scale, or nullptr
  const void* zero;               // as scale, or nullptr; not both
  DType scale_dtype;              // kBF16 or kF32, of scale and zero
  std::int64_t group_size;        // even, at most 131072, divides K
  const float* row_sums;          // (N), sum_k of the weight's values; with x_zero_point
  const float* bias;              // (N), or nullptr
  MutableMatrix out;              // (M, N)
  const ParallelFor* parallel;
};

void linear_w4a8(const LinearW4A8Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearW4A8Args>> linear_w4a8_implementations();

}  // namespace lowp::kernels
