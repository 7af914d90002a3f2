#pragma once

#include "kernels/linear_w8a8/linear_w8a8.h"

namespace lowp::kernels {

void linear_w8a8_amx(const LinearW8A8Args& args);
void linear_w8a8_avx512_vnni(const LinearW8A8Args& args);
void linear_w8a8_avx512(const LinearW8A8Args& args);
void linear_w8a8_avx_vnni(const LinearW8A8Args& args);
void linear_w8a8_avx2(const LinearW8A8Args& args);
void linear_w8a8_reference(const LinearW8A8Args& args);

}  // namespace lowp::kernels
