#pragma once

#include <cstdint>

#include "formats/mapping.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

// MX block formats on the GPU, the arithmetic of quantize_mx, along either dimension of x or along
// both with one read of it. Codes and scales are bit-equal to the reference's.
struct MxBlocks {
  // Along dim 1: codes (rows, cols), scale (rows, cols / block_size).
  // Along dim 0: codes (cols, rows), scale (cols, rows / block_size): x transposed first.
  std::uint8_t* codes;  // kF4: half as many columns; nullptr if this dimension is not wanted
  std::uint8_t* scale;  // swizzled: 32_4_4 (formats/swizzle.h), the padding zero
};

struct QuantizeMxCudaArgs {
  Matrix x;  // on the device
  std::int64_t block_size;
  DType element;
  MxScaleMode mode;
  bool swizzled;
  MxBlocks along_rows;  // blocks of a row, dim 1
  MxBlocks along_cols;  // blocks of a column, dim 0
  void* stream;         // cudaStream_t
};

// Launches one kernel, or two where the shape takes the plain one. Returns nullptr, or an error's
// text.
const char* quantize_mx_cuda(const QuantizeMxCudaArgs& args);

}  // namespace lowp::kernels
