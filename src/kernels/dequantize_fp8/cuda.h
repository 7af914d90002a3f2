#pragma once

#include "kernels/dequantize_fp8/dequantize_fp8.h"

namespace lowp::kernels {

// dequantize_fp8 on the GPU, bit-equal but for the payload of NaN: every pointer is to device
// memory, `parallel` is not used. Returns nullptr, or the CUDA error's text.
const char* dequantize_fp8_cuda(const DequantizeFp8Args& args, void* stream);

}  // namespace lowp::kernels
