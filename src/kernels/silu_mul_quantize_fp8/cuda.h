#pragma once

#include "kernels/quantize_fp8/quantize_fp8.h"

namespace lowp::kernels {

// y = silu(gate) * up in fp32, rounded to gate's dtype, and quantize_fp8 of that, which is never
// written to memory: `quantize` says how, its x is gate (M, N). Rows and blocks that a thread block
// takes; not a tensor with one scale. Every pointer is to device memory. y is within 5 ulp of fp32
// of the CPU's before it is rounded, for the exponentials differ; codes and scales are bit-equal to
// those of the y that the GPU has. Returns nullptr, or the CUDA error's text.
const char* silu_mul_quantize_fp8_cuda(const QuantizeFp8Args& quantize, const Matrix& up,
                                       void* stream);

}  // namespace lowp::kernels
