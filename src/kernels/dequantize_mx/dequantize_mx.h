#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

struct DequantizeMxArgs {
  const std::uint8_t* codes;  // (rows, cols); kF4 (rows, cols / 2)
  DType element;
  std::int64_t block_size;
  const std::uint8_t* scale;  // (rows, cols / block_size)
  MutableMatrix out;          // (rows, cols)
  const ParallelFor* parallel;
};

void dequantize_mx(const DequantizeMxArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<DequantizeMxArgs>> dequantize_mx_implementations();

}  // namespace lowp::kernels
