#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// MXFP4 weight-only.
struct LinearMxfp4Args {
  Matrix x;                          // (M, K)
  const std::uint8_t* weight;        // (N, K / 2) e2m1 pairs, even k low
  const std::uint8_t* weight_scale;  // (N, K / 32) e8m0
  const float* bias;                 // (N), or nullptr
  MutableMatrix out;                 // (M, N)
  const ParallelFor* parallel;
  bool packed = false;  // weight and scale are as pack_weight/layout.h says
};

void linear_mxfp4(const LinearMxfp4Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearMxfp4Args>> linear_mxfp4_implementations();

}  // namespace lowp::kernels
