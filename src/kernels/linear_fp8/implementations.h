#pragma once

#include "kernels/linear_fp8/linear_fp8.h"

namespace lowp::kernels {

void linear_fp8_amx(const LinearFp8Args& args);
void linear_fp8_avx512_bf16(const LinearFp8Args& args);
void linear_fp8_avx512(const LinearFp8Args& args);
void linear_fp8_avx2(const LinearFp8Args& args);
void linear_fp8_reference(const LinearFp8Args& args);

}  // namespace lowp::kernels
