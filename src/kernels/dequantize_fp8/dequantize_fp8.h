#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

struct DequantizeFp8Args {
  const std::uint8_t* codes;  // (rows, cols), contiguous
  DType element;              // kF8E4M3 or kF8E5M2
  Block block;
  const float* scale;  // (ceil(rows / block.rows), ceil(cols / block.cols))
  MutableMatrix out;   // (rows, cols)
  const ParallelFor* parallel;
};

void dequantize_fp8(const DequantizeFp8Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<DequantizeFp8Args>> dequantize_fp8_implementations();

}  // namespace lowp::kernels
