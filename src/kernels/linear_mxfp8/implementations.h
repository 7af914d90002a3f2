#pragma once

#include "kernels/linear_mxfp8/linear_mxfp8.h"

namespace lowp::kernels {

void linear_mxfp8_amx(const LinearMxfp8Args& args);
void linear_mxfp8_avx512_bf16(const LinearMxfp8Args& args);
void linear_mxfp8_avx512(const LinearMxfp8Args& args);
void linear_mxfp8_avx2(const LinearMxfp8Args& args);
void linear_mxfp8_reference(const LinearMxfp8Args& args);

}  // namespace lowp::kernels
