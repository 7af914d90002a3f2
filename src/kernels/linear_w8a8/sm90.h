#pragma once

#include <cstdint>

#include "formats/dtype.h"

namespace lowp::kernels {

// linear_w8a8 on Hopper, bit-equal to the reference: the int32 sum is exact, and
// out = ((sum_k (xq - zx)(wq)) * x_scale[m]) * weight_scale[n] + bias[n] in fp32, rounded once.
struct LinearW8A8Sm90Args {
  const std::int8_t* x;             // (M, K), contiguous
  const float* x_scale;             // (M)
  const std::int8_t* x_zero_point;  // (M), or nullptr
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  const std::int8_t* weight;            // (N, K), contiguous
  const float* weight_scale;            // (N)
  const std::int32_t* weight_row_sums;  // (N); read where x has zero points
  const void* bias;                     // (N), or nullptr
  DType bias_dtype;                     // kF32, kF16, kBF16
  void* out;                            // (M, N), contiguous
  DType out_dtype;                      // kF32, kF16, kBF16
  bool after_quantize;                  // the kernel before in the stream writes x and nothing else
  void* stream;                         // cudaStream_t
};

// What a call runs: "sm90_few_rows", "sm90", or "cuda" where rows are not 16 bytes aligned.
const char* linear_w8a8_sm90_name(const LinearW8A8Sm90Args& args);

// Launches it. Returns nullptr, or an error's text.
const char* linear_w8a8_sm90(const LinearW8A8Sm90Args& args);

}  // namespace lowp::kernels
