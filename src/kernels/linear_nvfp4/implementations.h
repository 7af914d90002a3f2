#pragma once

#include "kernels/linear_nvfp4/linear_nvfp4.h"

namespace lowp::kernels {

void linear_nvfp4_amx(const LinearNvfp4Args& args);
void linear_nvfp4_avx512_bf16(const LinearNvfp4Args& args);
void linear_nvfp4_avx512(const LinearNvfp4Args& args);
void linear_nvfp4_avx2(const LinearNvfp4Args& args);
void linear_nvfp4_reference(const LinearNvfp4Args& args);

}  // namespace lowp::kernels
