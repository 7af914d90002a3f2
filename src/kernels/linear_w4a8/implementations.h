#pragma once

#include "kernels/linear_w4a8/linear_w4a8.h"

namespace lowp::kernels {

void linear_w4a8_amx(const LinearW4A8Args& args);
void linear_w4a8_avx512_vnni(const LinearW4A8Args& args);
void linear_w4a8_avx512(const LinearW4A8Args& args);
void linear_w4a8_avx_vnni(const LinearW4A8Args& args);
void linear_w4a8_avx2(const LinearW4A8Args& args);
void linear_w4a8_reference(const LinearW4A8Args& args);

}  // namespace lowp::kernels
