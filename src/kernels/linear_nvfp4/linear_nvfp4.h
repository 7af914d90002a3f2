#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// NVFP4 weight-only: w = code * block_scale * tensor_scale; the tensor scale multiplies the sum.
struct LinearNvfp4Args {
  Matrix x;                                // (M, K)
  const std::uint8_t* weight;              // (N, K / 2) e2m1 pairs, even k low
  const std::uint8_t* weight_block_scale;  // (N, K / 16) e4m3
  const float* weight_tensor_scale;        // (1)
  const float* bias;                       // (N), or nullptr
  MutableMatrix out;                       // (M, N)
  const ParallelFor* parallel;
  bool packed = false;  // weight and block scale are as pack_weight/layout.h says
};

void linear_nvfp4(const LinearNvfp4Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearNvfp4Args>> linear_nvfp4_implementations();

}  // namespace lowp::kernels
