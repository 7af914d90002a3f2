#pragma once

#include <cstdint>
#include <span>

#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// out = x / sqrt(mean(x^2) + epsilon) * (weight + weight_offset), row by row, in fp32, rounded once
// to the dtype of out. With a residual, x is first added to it (rounded to the residual's dtype)
// and the norm is of the sum. (RMSNorm, arXiv 1910.07467; Gemma's offset is 1.)
struct RmsNormArgs {
  Matrix x;                // (M, N)
  MutableMatrix residual;  // (M, N), or data nullptr
  Matrix weight;           // (1, N)
  float epsilon;
  float weight_offset;
  MutableMatrix out;  // (M, N)
  const ParallelFor* parallel;
};

void rms_norm(const RmsNormArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<RmsNormArgs>> rms_norm_implementations();

}  // namespace lowp::kernels
