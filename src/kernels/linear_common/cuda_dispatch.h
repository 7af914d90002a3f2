#pragma once

#include "kernels/linear_common/cuda_linear.h"

namespace lowp::kernels {

// What linear_cuda runs: "cuda_rows", or on Hopper "sm90_rows" for few rows of x and "sm90_tiles"
// for many.
const char* choose_linear_cuda(const CudaLinearArgs& args);

// Bytes of workspace that linear_cuda needs.
std::int64_t linear_cuda_workspace(const CudaLinearArgs& args);

// The linear layer by the kernel for this many rows. x must be aligned to 16 bytes and x_stride a
// multiple of 8 to be fast. Returns nullptr or what is wrong.
const char* linear_cuda(const CudaLinearArgs& args);

}  // namespace lowp::kernels
