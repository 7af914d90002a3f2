// Linear layers with quantized weights for many rows of x, on Hopper's tensor cores.
#pragma once

#include "kernels/linear_common/cuda_linear.h"

namespace lowp::kernels {

// Any M, N; needs no workspace. Returns nullptr, or what is wrong: x and out must be aligned to 16
// bytes, x_stride a multiple of 8; a caller that has other tensors copies them.
//   kInt8, kFp8   one scale a row or a tensor, or groups of a multiple of 32 columns
//   kInt4         groups of a multiple of 32 columns, or of all
const char* linear_tiles_sm90(const CudaLinearArgs& args);

}  // namespace lowp::kernels
