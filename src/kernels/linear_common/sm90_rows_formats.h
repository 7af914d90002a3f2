// One source a format: each is many kernels.
#pragma once

#include "kernels/linear_common/cuda_linear.h"

namespace lowp::kernels::rows {

const char* linear_int4(const CudaLinearArgs& args);
const char* linear_int8(const CudaLinearArgs& args);
const char* linear_fp8(const CudaLinearArgs& args);
const char* linear_mxfp8(const CudaLinearArgs& args);
const char* linear_mxfp4(const CudaLinearArgs& args);
const char* linear_nvfp4(const CudaLinearArgs& args);

}  // namespace lowp::kernels::rows
