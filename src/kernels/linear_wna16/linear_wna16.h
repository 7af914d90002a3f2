#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Weight-only, 1 to 7 bits: w = (code - zero_point) * scale, or stored * scale + zero, where a row
// of the weight is a little-endian bit stream of stored = code + 2^(bits - 1).
struct LinearWnA16Args {
  Matrix x;                       // (M, K)
  const std::uint8_t* weight;     // (N, K * bits / 8)
  int bits;                       // 1 to 7
  const void* scale;              // (N, K / group_size)
  const std::int8_t* zero_point;  // as scale, or nullptr
  const void* zero;               // as scale, or nullptr; not both
  DType scale_dtype;              // kBF16 or kF32, of scale and zero
  std::int64_t group_size;        // a multiple of 8, divides K
  const float* bias;              // (N), or nullptr
  MutableMatrix out;              // (M, N)
  const ParallelFor* parallel;
};

void linear_wna16(const LinearWnA16Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<LinearWnA16Args>> linear_wna16_implementations();

}  // namespace lowp::kernels
