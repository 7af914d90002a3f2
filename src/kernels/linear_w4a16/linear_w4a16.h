#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// int4 weight-only: w = (code - zero_point) * scale, or code * scale + zero.
// scale and zero are bf16 or fp32: at 4 bits and groups of 32 an fp32 scale would cost a quarter of
// the bandwidth.
struct LinearW4A16Args {
  Matrix x;                       // (M, K)
  const std::uint8_t* weight;     // (N, K / 2), two's-complement nibbles, even k low
  const void* scale;              // (N, K / group_size)
  const std::int8_t* zero_point;  // as scale, or nullptr
  const void* zero;               // as scale, or nullptr; not both
  DType scale_dtype;              // kBF16 or kF32, of scale and zero
  std::int64_t group_size;        // even, divides K
  const float* bias;              // (N), or nullptr
  MutableMatrix out;              // (M, N)
  const ParallelFor* parallel;
};

void linear_w4a16(const LinearW4A16Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearW4A16Args>> linear_w4a16_implementations();

}  // namespace lowp::kernels
