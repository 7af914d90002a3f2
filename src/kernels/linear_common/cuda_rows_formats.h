// The kernel for few rows, by format of the weight; each in a file of its own. For cuda_rows.cu.
#pragma once

#include "kernels/linear_common/cuda_linear.h"

namespace lowp::kernels {

// What the kernels below return where the scales of a tile exceed shared memory.
inline constexpr char kDoesNotFit[] = "the scales of a tile exceed shared memory";

// m <= 64, and what linear_rows_cuda calls fast.
const char* linear_rows_int4(const CudaLinearArgs& args);
const char* linear_rows_int8(const CudaLinearArgs& args);
const char* linear_rows_fp8(const CudaLinearArgs& args);
const char* linear_rows_mxfp8(const CudaLinearArgs& args);
const char* linear_rows_mxfp4(const CudaLinearArgs& args);
const char* linear_rows_nvfp4(const CudaLinearArgs& args);

// Any shape, slowly: a warp for each row of the weight.
const char* linear_rows_any(const CudaLinearArgs& args);

}  // namespace lowp::kernels
