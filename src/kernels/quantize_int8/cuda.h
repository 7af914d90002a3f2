#pragma once

#include "kernels/quantize_int8/quantize_int8.h"

namespace lowp::kernels {

// quantize_int8 on the GPU, bit-equal: every pointer is to device memory, `parallel` is not used.
// The workspace has quantize_int8_cuda_workspace bytes, 16 bytes aligned. Returns nullptr, or the
// CUDA error's text.
std::int64_t quantize_int8_cuda_workspace(const QuantizeInt8Args& args);
const char* quantize_int8_cuda(const QuantizeInt8Args& args, void* workspace, void* stream);

}  // namespace lowp::kernels
