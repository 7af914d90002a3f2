#pragma once

#include "kernels/gated_activation/gated_activation.h"

namespace lowp::kernels {

// gated_activation on the GPU: the arguments' pointers are the device's, `parallel` is not used.
// Returns nullptr, or the CUDA error's text.
const char* gated_activation_cuda(const GatedActivationArgs& args, void* stream);

}  // namespace lowp::kernels
