#pragma once

#include "kernels/rms_norm/rms_norm.h"

namespace lowp::kernels {

void rms_norm_avx512(const RmsNormArgs& args);
void rms_norm_avx2(const RmsNormArgs& args);
void rms_norm_reference(const RmsNormArgs& args);

}  // namespace lowp::kernels
