// Linear layers with quantized weights for many rows of x, on Hopper's tensor cores.
#pragma once

#include "kernels/linear_common/cuda_linear.h"

namespace lowp::kernels {

// nullptr, or why linear_tiles_sm90 does not take the arguments: x and rows of codes must be
// aligned to 16 bytes, groups be of a multiple of 32 columns or of all.
const char* refuse_linear_tiles_sm90(const CudaLinearArgs& args);

// Bytes of workspace that it needs: partial sums where few tiles make it divide K.
std::int64_t linear_tiles_workspace_sm90(const CudaLinearArgs& args);

// Any M, N. Returns nullptr or the error's text.
const char* linear_tiles_sm90(const CudaLinearArgs& args);

}  // namespace lowp::kernels
