#pragma once

#include "kernels/gated_activation/gated_activation.h"

namespace lowp::kernels {

void gated_activation_avx512(const GatedActivationArgs& args);
void gated_activation_avx2(const GatedActivationArgs& args);
void gated_activation_reference(const GatedActivationArgs& args);

// 2 sqrt(2 / pi) and the cubic term's factor, of kGeluTanh.
inline constexpr float kGeluSlope = 1.5957691216057308F;
inline constexpr float kGeluCubic = 0.044715F;

}  // namespace lowp::kernels
