#pragma once

#include "kernels/linear_bf16/linear_bf16.h"

namespace lowp::kernels {

void linear_bf16_amx(const LinearBf16Args& args);
void linear_bf16_avx512_bf16(const LinearBf16Args& args);
void linear_bf16_avx512(const LinearBf16Args& args);
void linear_bf16_avx2(const LinearBf16Args& args);
void linear_bf16_reference(const LinearBf16Args& args);

}  // namespace lowp::kernels
