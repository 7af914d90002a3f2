#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

struct LinearFp8WeightOnlyArgs {
  Matrix x;                    // (M, K)
  const std::uint8_t* weight;  // (N, K) e4m3, contiguous
  const float* weight_scale;   // (1), (N), or (ceil(N / 128), ceil(K / 128)): by weight_block
  Block weight_block;
  const float* bias;  // (N), or nullptr
  MutableMatrix out;  // (M, N)
  const ParallelFor* parallel;
};

void linear_fp8_weight_only(const LinearFp8WeightOnlyArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearFp8WeightOnlyArgs>> linear_fp8_weight_only_implementations();

}  // namespace lowp::kernels
