#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// (code - zero_point) * scale of what quantize_intx makes.
struct DequantizeIntxArgs {
  const std::uint8_t* codes;      // (rows, cols * bits / 8), a stream of code + 2^(bits - 1)
  int bits;                       // 1 to 7
  std::int64_t group_size;        // a multiple of 8
  const float* scale;             // (rows, cols / group_size)
  const std::int8_t* zero_point;  // as scale, or nullptr
  MutableMatrix out;              // (rows, cols)
  const ParallelFor* parallel;
};

void dequantize_intx(const DequantizeIntxArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<DequantizeIntxArgs>> dequantize_intx_implementations();

}  // namespace lowp::kernels
