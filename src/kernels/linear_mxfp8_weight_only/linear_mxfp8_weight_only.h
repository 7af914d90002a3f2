#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// MXFP8 weights (numerics 5.3), activations as they are.
struct LinearMxfp8WeightOnlyArgs {
  Matrix x;                          // (M, K)
  const std::uint8_t* weight;        // (N, K) e4m3, contiguous
  const std::uint8_t* weight_scale;  // (N, K / 32) e8m0
  const float* bias;                 // (N), or nullptr
  MutableMatrix out;                 // (M, N)
  const ParallelFor* parallel;
};

void linear_mxfp8_weight_only(const LinearMxfp8WeightOnlyArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearMxfp8WeightOnlyArgs>>
linear_mxfp8_weight_only_implementations();

}  // namespace lowp::kernels
