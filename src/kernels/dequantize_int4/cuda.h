#pragma once

#include "kernels/dequantize_int4/dequantize_int4.h"

namespace lowp::kernels {

// dequantize_int4 on the GPU, bit-equal but for the payload of NaN: every pointer is to device
// memory, `parallel` is not used. Returns nullptr, or the CUDA error's text.
const char* dequantize_int4_cuda(const DequantizeInt4Args& args, void* stream);

}  // namespace lowp::kernels
