#pragma once

#include "kernels/dequantize_int8/dequantize_int8.h"

namespace lowp::kernels {

// dequantize_int8 on the GPU, bit-equal but for the payload of NaN: every pointer is to device
// memory, `parallel` is not used. Returns nullptr, or the CUDA error's text.
const char* dequantize_int8_cuda(const DequantizeInt8Args& args, void* stream);

}  // namespace lowp::kernels
