// One source a format: each is many kernels.
#pragma once

#include "kernels/linear_common/sm90_tiles_plan.h"

namespace lowp::kernels::tiles {

const char* linear_int4(const CudaLinearArgs& args, const Plan& plan);
const char* linear_int8(const CudaLinearArgs& args, const Plan& plan);
const char* linear_fp8(const CudaLinearArgs& args, const Plan& plan);
const char* linear_mxfp8(const CudaLinearArgs& args, const Plan& plan);
const char* linear_mxfp4(const CudaLinearArgs& args, const Plan& plan);
const char* linear_nvfp4(const CudaLinearArgs& args, const Plan& plan);

}  // namespace lowp::kernels::tiles
