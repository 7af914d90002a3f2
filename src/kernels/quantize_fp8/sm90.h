#pragma once

#include <cstdint>

namespace lowp::kernels {

// Rows of bf16 to e4m3 on the GPU, the arithmetic of quantize_fp8 with one scale a row:
// scale = amax / 448, 1 where that is 0; code = e4m3(clamp(x / scale)). Codes and scales are
// bit-equal to those of the reference but for the sign of NaN.
struct QuantizeFp8RowsArgs {
  const std::uint16_t* x;  // (rows, cols) bf16 on the device; rows are `stride` elements apart
  std::int64_t rows;       // below 2^31
  std::int64_t cols;
  std::int64_t stride;
  std::uint8_t* codes;  // (rows, cols), contiguous
  float* scale;         // (rows)
  void* stream;         // cudaStream_t
};

// Launches the kernel. Returns nullptr, or the CUDA error's text.
const char* quantize_fp8_rows_sm90(const QuantizeFp8RowsArgs& args);

}  // namespace lowp::kernels
