#pragma once

#include "kernels/quantize_int4/quantize_int4.h"

namespace lowp::kernels {

// quantize_int4 on the GPU, bit-equal: every pointer is to device memory, `parallel` is not used.
// Returns nullptr, or the CUDA error's text.
const char* quantize_int4_cuda(const QuantizeInt4Args& args, void* stream);

}  // namespace lowp::kernels
