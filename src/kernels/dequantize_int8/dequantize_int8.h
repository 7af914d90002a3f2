#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// out = (codes - zero_point) * scale, rounded once to the output's dtype. A block whose scale is
// NaN becomes the quiet NaN, as in all dequantize operations.
struct DequantizeInt8Args {
  const std::int8_t* codes;  // (rows, cols), contiguous
  Block block;
  const float* scale;             // (rows / block.rows, cols / block.cols)
  const std::int8_t* zero_point;  // as scale, or nullptr
  MutableMatrix out;              // (rows, cols)
  const ParallelFor* parallel;
};

void dequantize_int8(const DequantizeInt8Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<DequantizeInt8Args>> dequantize_int8_implementations();

}  // namespace lowp::kernels
