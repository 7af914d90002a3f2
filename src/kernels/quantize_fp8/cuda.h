#pragma once

#include "kernels/quantize_fp8/quantize_fp8.h"

namespace lowp::kernels {

// quantize_fp8 on the GPU: every pointer is to device memory, `parallel` is not used. The workspace
// has quantize_fp8_cuda_workspace bytes, 16 bytes aligned. Returns nullptr, or the CUDA error's
// text.
std::int64_t quantize_fp8_cuda_workspace(const QuantizeFp8Args& args);
const char* quantize_fp8_cuda(const QuantizeFp8Args& args, void* workspace, void* stream);

}  // namespace lowp::kernels
