#pragma once

#include "kernels/distortion/distortion.h"

namespace lowp::kernels {

void distortion_reference(const DistortionArgs& args);
void distortion_avx2(const DistortionArgs& args);
void distortion_avx512(const DistortionArgs& args);

}  // namespace lowp::kernels
