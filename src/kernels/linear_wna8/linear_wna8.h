#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// int8 activations and weights of 1 to 7 bits in groups along K (numerics 9), where a row of the
// weight is a little-endian bit stream of code + 2^(bits - 1). The int32 sum of a group is exact,
// everything after it fp32:
//   out = x_scale[m] * sum_g (scale * sum_k (x - zx)(code - zero_point)) + bias
struct LinearWnA8Args {
  const std::int8_t* x;             // (M, K), contiguous
  const float* x_scale;             // (M)
  const std::int8_t* x_zero_point;  // (M), or nullptr
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  const std::uint8_t* weight;     // (N, K * bits / 8)
  int bits;                       // 1 to 7
  const void* scale;              // (N, K / group_size)
  const std::int8_t* zero_point;  // as scale, or nullptr
  DType scale_dtype;              // kBF16 or kF32
  std::int64_t group_size;        // a multiple of 8, at most 65536, divides K
  const float* row_sums;          // (N), sum_k of the weight's values; with x_zero_point
  const float* bias;              // (N), or nullptr
  MutableMatrix out;              // (M, N)
  const ParallelFor* parallel;
};

void linear_wna8(const LinearWnA8Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearWnA8Args>> linear_wna8_implementations();

}  // namespace lowp::kernels
