#pragma once

#include <cstdint>
#include <span>

#include "formats/dtype.h"
#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Float8 activations and weights, e4m3 or e5m2 (numerics 8): per tensor, per row, or 1x128
// activations with 1x128 or 128x128 weights. Inside a scaled block the partial sum is formed first.
struct LinearFp8Args {
  const std::uint8_t* x;  // (M, K) of x_dtype, contiguous
  const float* x_scale;   // (1), (M), or (M, ceil(K / 128)): by x_block
  Block x_block;
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  const std::uint8_t* weight;  // (N, K) of weight_dtype, contiguous
  const float* weight_scale;   // (1), (N), or (ceil(N / rows), ceil(K / 128)): by weight_block
  Block weight_block;
  const float* bias;  // (N), or nullptr
  MutableMatrix out;  // (M, N)
  const ParallelFor* parallel;
  DType x_dtype = DType::kF8E4M3;  // or kF8E5M2
  DType weight_dtype = DType::kF8E4M3;
};

void linear_fp8(const LinearFp8Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearFp8Args>> linear_fp8_implementations();

}  // namespace lowp::kernels
