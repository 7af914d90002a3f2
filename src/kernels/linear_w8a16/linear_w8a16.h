#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// int8 weight-only (numerics 9): out = sum_k x * weight * scale + bias in fp32, rounded once; the
// scale of a group multiplies the partial sum of the group.
struct LinearW8A16Args {
  Matrix x;                   // (M, K)
  const std::int8_t* weight;  // (N, K), contiguous
  const float* scale;         // (N, K / group_size)
  std::int64_t group_size;    // divides K; K: one scale a row
  const float* bias;          // (N), or nullptr
  MutableMatrix out;          // (M, N)
  const ParallelFor* parallel;
};

void linear_w8a16(const LinearW8A16Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearW8A16Args>> linear_w8a16_implementations();

}  // namespace lowp::kernels
