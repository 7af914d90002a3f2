#pragma once

#include "kernels/gated_activation/gated_activation.h"
#include "kernels/runtime/activation.h"

namespace lowp::kernels {

void gated_activation_avx512(const GatedActivationArgs& args);
void gated_activation_avx2(const GatedActivationArgs& args);
void gated_activation_reference(const GatedActivationArgs& args);

}  // namespace lowp::kernels
