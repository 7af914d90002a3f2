#pragma once

#include "kernels/linear_w4a16/linear_w4a16.h"

namespace lowp::kernels {

void linear_w4a16_amx(const LinearW4A16Args& args);
void linear_w4a16_avx512_bf16(const LinearW4A16Args& args);
void linear_w4a16_avx512(const LinearW4A16Args& args);
void linear_w4a16_avx_vnni(const LinearW4A16Args& args);
void linear_w4a16_avx2(const LinearW4A16Args& args);
void linear_w4a16_reference(const LinearW4A16Args& args);

}  // namespace lowp::kernels
