#pragma once

#include <cstdint>

#include "formats/mapping.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

// The workspace in 4-byte words: partial maxima of the tensor; two numbers that its scale is used
// by; for every block scale the factor of the elements under it.
inline constexpr int kNvfp4Partials = 1024;
inline constexpr int kNvfp4WorkspaceWords = kNvfp4Partials + 2 + 256;

// NVFP4 on the GPU, the arithmetic of quantize_nvfp4; codes and scales are bit-equal to the
// reference's but for the sign of NaN.
struct QuantizeNvfp4CudaArgs {
  Matrix x;  // (rows, cols) on the device, cols % 16 == 0
  Nvfp4Recipe recipe;
  float block_scale_floor;
  const float* static_tensor_scale;  // (1) positive, instead of amax / 2688, or nullptr
  bool swizzled;                     // block scales in the 32_4_4 layout, the padding zero
  std::uint8_t* codes;               // (rows, cols / 2), even column in the low nibble
  std::uint8_t* block_scale;         // (rows, cols / 16) e4m3, or swizzled
  float* tensor_scale;               // (1)
  std::uint32_t* workspace;          // kNvfp4WorkspaceWords
  void* stream;                      // cudaStream_t
};

// Launches the passes: amax (unless the tensor scale is static), tensor scale, codes. Returns
// nullptr, or an error's text.
const char* quantize_nvfp4_cuda(const QuantizeNvfp4CudaArgs& args);

}  // namespace lowp::kernels
