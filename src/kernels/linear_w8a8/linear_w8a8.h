#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/linear_common/epilogue.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// int8 activations and weights (numerics 9): the int32 sum is exact;
// out = (sum_k (xq - zx)(wq)) * x_scale[m] * weight_scale[n] + bias, fp32, through the epilogue,
// rounded once.
struct LinearW8A8Args {
  const std::int8_t* x;             // (M, K), contiguous
  const float* x_scale;             // (M)
  const std::int8_t* x_zero_point;  // (M), or nullptr
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;                       // <= 131071, with zero points 65793: the sum fits int32
  const std::int8_t* weight;            // (N, K), contiguous
  const float* weight_scale;            // (N)
  const std::int32_t* weight_row_sums;  // (N), sum_k weight[n,k]
  const float* bias;                    // (N), or nullptr
  MutableMatrix out;                    // (M, N); kI8 too
  const ParallelFor* parallel;
  Epilogue epilogue = {};
};

void linear_w8a8(const LinearW8A8Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearW8A8Args>> linear_w8a8_implementations();

}  // namespace lowp::kernels
