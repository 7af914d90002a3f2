#pragma once

#include "kernels/linear_wna8/linear_wna8.h"

namespace lowp::kernels {

void linear_wna8_amx(const LinearWnA8Args& args);
void linear_wna8_avx512_vnni(const LinearWnA8Args& args);
void linear_wna8_avx512(const LinearWnA8Args& args);
void linear_wna8_avx_vnni(const LinearWnA8Args& args);
void linear_wna8_avx2(const LinearWnA8Args& args);
void linear_wna8_reference(const LinearWnA8Args& args);

}  // namespace lowp::kernels
