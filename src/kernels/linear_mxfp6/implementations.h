#pragma once

#include "kernels/linear_mxfp6/linear_mxfp6.h"

namespace lowp::kernels {

void linear_mxfp6_amx(const LinearMxfp6Args& args);
void linear_mxfp6_avx512_bf16(const LinearMxfp6Args& args);
void linear_mxfp6_avx512(const LinearMxfp6Args& args);
void linear_mxfp6_avx2(const LinearMxfp6Args& args);
void linear_mxfp6_reference(const LinearMxfp6Args& args);

}  // namespace lowp::kernels
