#pragma once

#include "kernels/linear_wna16/linear_wna16.h"

namespace lowp::kernels {

void linear_wna16_amx(const LinearWnA16Args& args);
void linear_wna16_avx512_bf16(const LinearWnA16Args& args);
void linear_wna16_avx512(const LinearWnA16Args& args);
void linear_wna16_avx_vnni(const LinearWnA16Args& args);
void linear_wna16_avx2(const LinearWnA16Args& args);
void linear_wna16_reference(const LinearWnA16Args& args);

}  // namespace lowp::kernels
