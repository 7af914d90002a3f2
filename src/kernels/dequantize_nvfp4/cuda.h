#pragma once

#include <cstdint>

#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

// dequantize_nvfp4 on the GPU: the same values, NaN for NaN.
struct DequantizeNvfp4CudaArgs {
  const std::uint8_t* codes;        // (rows, cols / 2)
  const std::uint8_t* block_scale;  // (rows, cols / 16), e4m3
  const float* tensor_scale;        // (1)
  MutableMatrix out;                // (rows, cols) on the device
  void* stream;                     // cudaStream_t
};

// Launches the kernel. Returns nullptr, or the CUDA error's text.
const char* dequantize_nvfp4_cuda(const DequantizeNvfp4CudaArgs& args);

}  // namespace lowp::kernels
