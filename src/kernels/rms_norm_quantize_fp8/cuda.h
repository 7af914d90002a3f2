#pragma once

#include "kernels/quantize_fp8/quantize_fp8.h"

namespace lowp::kernels {

struct RmsNormQuantizeFp8Args {
  QuantizeFp8Args
      quantize;   // of the norm; x (M, N) is what is normalized; blocks (1, N) or (1, 128)
  Matrix weight;  // (1, N), of x's dtype or fp32
  float epsilon;
  float weight_offset;
  void* stream;  // cudaStream_t
};

// y = x / sqrt(mean(x^2) + epsilon) * (weight + weight_offset) in fp32, rounded to x's dtype, and
// quantize_fp8 of that, which is never written to memory. The sum of squares is not summed in the
// CPU's order: y differs by the rounding of that sum and of a square root before it is rounded;
// codes and scales are bit-equal to those of the y that the GPU has. Every pointer is to device
// memory. Returns nullptr, or the CUDA error's text.
const char* rms_norm_quantize_fp8_cuda(const RmsNormQuantizeFp8Args& args);

}  // namespace lowp::kernels
