#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// out = x * weight^T + bias, products and sums in fp32, one rounding to the output's dtype.
struct LinearBf16Args {
  Matrix x;                     // (M, K)
  const std::uint16_t* weight;  // (N, K) bf16, contiguous
  const float* bias;            // (N), or nullptr
  MutableMatrix out;            // (M, N)
  const ParallelFor* parallel;
};

void linear_bf16(const LinearBf16Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearBf16Args>> linear_bf16_implementations();

}  // namespace lowp::kernels
