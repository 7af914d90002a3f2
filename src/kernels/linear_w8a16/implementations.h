#pragma once

#include "kernels/linear_w8a16/linear_w8a16.h"

namespace lowp::kernels {

void linear_w8a16_amx(const LinearW8A16Args& args);
void linear_w8a16_avx512_bf16(const LinearW8A16Args& args);
void linear_w8a16_avx512(const LinearW8A16Args& args);
void linear_w8a16_avx2(const LinearW8A16Args& args);
void linear_w8a16_reference(const LinearW8A16Args& args);

}  // namespace lowp::kernels
