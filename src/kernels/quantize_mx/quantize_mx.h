#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// MX block formats (numerics 5): one E8M0 scale for 32 elements of a row.
struct QuantizeMxArgs {
  Matrix x;                 // (rows, cols), cols % block_size == 0
  std::int64_t block_size;  // 32 by the standard
  DType element;            // kF8E4M3, kF8E5M2, kF6E2M3, kF6E3M2, kF4
  MxScaleMode mode;
  std::uint8_t* codes;  // (rows, cols); kF4 (rows, cols / 2), even column in the low nibble
  std::uint8_t* scale;  // (rows, cols / block_size), byte e means 2^(e - 127), 255 NaN
  const ParallelFor* parallel;
};

void quantize_mx(const QuantizeMxArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<QuantizeMxArgs>> quantize_mx_implementations();

}  // namespace lowp::kernels
