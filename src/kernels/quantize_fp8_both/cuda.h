#pragma once

#include <cstdint>

#include "formats/dtype.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

// A matrix quantized along its rows and along its columns, for the three GEMMs of a training step:
// as quantize_fp8 of x with blocks of (1, group), and of x transposed. Codes and scales are
// bit-equal to those but for the sign of NaN. With groups of 128 x is read once, with whole rows
// and columns twice.
struct QuantizeFp8BothArgs {
  Matrix x;                 // (rows, cols) on the device
  std::int64_t group_size;  // 128, or -1: whole rows, whole columns
  DType element;            // kF8E4M3 or kF8E5M2
  bool power_of_two;        // training's scales, else those of inference
  std::uint8_t* codes;      // (rows, cols)
  float* scale;             // (rows, ceil(cols / group))
  std::uint8_t* codes_t;    // (cols, rows)
  float* scale_t;           // (cols, ceil(rows / group))
  void* workspace;          // quantize_fp8_both_cuda_workspace bytes, 16 bytes aligned
  void* stream;             // cudaStream_t
};

std::int64_t quantize_fp8_both_cuda_workspace(std::int64_t rows, std::int64_t cols,
                                              std::int64_t group_size);

// Launches the kernels. Returns nullptr, or the CUDA error's text.
const char* quantize_fp8_both_cuda(const QuantizeFp8BothArgs& args);

}  // namespace lowp::kernels
