#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

struct DequantizeInt4Args {
  const std::uint8_t* codes;  // (rows, cols / 2), even column in the low nibble
  std::int64_t group_size;
  const float* scale;             // (rows, cols / group_size)
  const std::int8_t* zero_point;  // as scale, or nullptr
  const float* zero;              // as scale, or nullptr; not both
  MutableMatrix out;              // (rows, cols)
  const ParallelFor* parallel;
};

void dequantize_int4(const DequantizeInt4Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<DequantizeInt4Args>> dequantize_int4_implementations();

}  // namespace lowp::kernels
