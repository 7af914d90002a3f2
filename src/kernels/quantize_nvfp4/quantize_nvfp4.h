#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// NVFP4 (numerics 6): e2m1 elements, an e4m3 scale for 16 of them, one fp32 scale for the tensor.
// x ~ code * block_scale * tensor_scale.
struct QuantizeNvfp4Args {
  Matrix x;  // (rows, cols), cols % 16 == 0
  Nvfp4Recipe recipe;
  float block_scale_floor;           // smallest block scale: 2^-6 (inference), 0 (training)
  const float* static_tensor_scale;  // (1) instead of amax / 2688, or nullptr
  std::uint8_t* codes;               // (rows, cols / 2), even column in the low nibble
  std::uint8_t* block_scale;         // (rows, cols / 16), e4m3
  float* tensor_scale;               // (1)
  const ParallelFor* parallel;
};

void quantize_nvfp4(const QuantizeNvfp4Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<QuantizeNvfp4Args>> quantize_nvfp4_implementations();

}  // namespace lowp::kernels
