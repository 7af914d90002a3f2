#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Float8 with float scales, inference convention (numerics 4.1): scale = amax / max, 1 where that
// is 0; code = fp8(clamp(x / scale)); x ~ code * scale. Or training's scales (numerics 4.2),
// rounded to powers of two, stored as factors of dequantization too.
struct QuantizeFp8Args {
  Matrix x;                   // (rows, cols)
  Block block;                // per tensor, row, group or 128x128; edge blocks are cut
  DType element;              // kF8E4M3 or kF8E5M2
  DType scale_dtype;          // kF32; kBF16 and kF16 round the scale, as torchao's bytes have it
  bool power_of_two = false;  // training's scale; scale_dtype does not count then
  const float* static_scale;  // used instead of amax if not nullptr, same shape as scale
  std::uint8_t* codes;        // (rows, cols), contiguous
  float* scale;               // (ceil(rows / block.rows), ceil(cols / block.cols))
  const ParallelFor* parallel;
};

void quantize_fp8(const QuantizeFp8Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<QuantizeFp8Args>> quantize_fp8_implementations();

}  // namespace lowp::kernels
