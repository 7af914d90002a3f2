#pragma once

#include "kernels/linear_common/cuda_linear.h"

namespace lowp::kernels {

// The linear layer for few rows of activations, on Ampere and later: the weight is read once for
// each 64 of them. Any shape; fast where rows of codes are multiples of 16 bytes and start at such
// addresses, and no 16 bytes belong to two groups. No workspace. Launches kernels; returns nullptr
// or the error's text.
const char* linear_rows_cuda(const CudaLinearArgs& args);

// Whether that is fast.
bool rows_are_fast(const CudaLinearArgs& args);

}  // namespace lowp::kernels
