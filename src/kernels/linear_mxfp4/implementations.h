#pragma once

#include "kernels/linear_mxfp4/linear_mxfp4.h"

namespace lowp::kernels {

void linear_mxfp4_amx(const LinearMxfp4Args& args);
void linear_mxfp4_avx512_bf16(const LinearMxfp4Args& args);
void linear_mxfp4_avx512(const LinearMxfp4Args& args);
void linear_mxfp4_avx2(const LinearMxfp4Args& args);
void linear_mxfp4_reference(const LinearMxfp4Args& args);

}  // namespace lowp::kernels
