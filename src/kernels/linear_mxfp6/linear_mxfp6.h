#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// MXFP6 weight-only.
struct LinearMxfp6Args {
  Matrix x;                          // (M, K)
  const std::uint8_t* weight;        // (N, K * 6 / 8), four codes in three bytes, lowest bits first
  DType element;                     // kF6E2M3 or kF6E3M2
  const std::uint8_t* weight_scale;  // (N, K / 32) e8m0
  const float* bias;                 // (N), or nullptr
  MutableMatrix out;                 // (M, N)
  const ParallelFor* parallel;
};

void linear_mxfp6(const LinearMxfp6Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearMxfp6Args>> linear_mxfp6_implementations();

}  // namespace lowp::kernels
