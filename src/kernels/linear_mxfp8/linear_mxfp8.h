#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// MXFP8 on both sides (numerics 5.3, 8): e4m3 * 2^e is exact in bf16, products and sums in fp32.
struct LinearMxfp8Args {
  const std::uint8_t* x;        // (M, K) e4m3, contiguous
  const std::uint8_t* x_scale;  // (M, K / 32) e8m0
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  const std::uint8_t* weight;        // (N, K) e4m3, contiguous
  const std::uint8_t* weight_scale;  // (N, K / 32) e8m0
  const float* bias;                 // (N), or nullptr
  MutableMatrix out;                 // (M, N)
  const ParallelFor* parallel;
};

void linear_mxfp8(const LinearMxfp8Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearMxfp8Args>> linear_mxfp8_implementations();

}  // namespace lowp::kernels
