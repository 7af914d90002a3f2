#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

struct DequantizeNvfp4Args {
  const std::uint8_t* codes;        // (rows, cols / 2)
  const std::uint8_t* block_scale;  // (rows, cols / 16), e4m3
  const float* tensor_scale;        // (1)
  MutableMatrix out;                // (rows, cols)
  const ParallelFor* parallel;
};

void dequantize_nvfp4(const DequantizeNvfp4Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<DequantizeNvfp4Args>> dequantize_nvfp4_implementations();

}  // namespace lowp::kernels
