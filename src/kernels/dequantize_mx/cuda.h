#pragma once

#include <cstdint>

#include "formats/dtype.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

// dequantize_mx on the GPU: the same values, NaN for NaN.
struct DequantizeMxCudaArgs {
  const std::uint8_t* codes;  // (rows, cols); kF4 (rows, cols / 2)
  DType element;
  std::int64_t block_size;
  const std::uint8_t* scale;  // (rows, cols / block_size)
  MutableMatrix out;          // (rows, cols) on the device
  void* stream;               // cudaStream_t
};

// Launches the kernel. Returns nullptr, or the CUDA error's text.
const char* dequantize_mx_cuda(const DequantizeMxCudaArgs& args);

}  // namespace lowp::kernels
