// linear_w4a8 and linear_w4afp8 on Hopper: x is quantized, its codes int8 or e4m3.
#pragma once

#include <cstdint>

#include "formats/dtype.h"

namespace lowp::kernels {

// out = x_scale[m] * (sum_g scale * sum_k x (code - zero_point) - zx[m] * row_sums[n]) + bias, or
// with zero as in linear_w4a8.h; fp32, rounded once.
struct LinearW4A8Sm90Args {
  const void* x;                    // (M, K) int8 or e4m3
  const float* x_scale;             // (M)
  const std::int8_t* x_zero_point;  // (M), or nullptr
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  const std::uint8_t* weight;     // (N, K / 2), two's-complement nibbles, even k low
  const void* scale;              // (N, K / group_size)
  const std::int8_t* zero_point;  // as scale, -120 to 120, or nullptr; int8 alone
  const void* zero;               // as scale, or nullptr; int8 alone, not both
  DType scale_dtype;              // kBF16 or kF32, of scale and zero
  std::int64_t group_size;        // even, divides K
  const float* row_sums;          // (N), with x_zero_point
  const void* bias;               // (N), or nullptr
  DType bias_dtype;
  void* out;  // (M, N), contiguous
  DType out_dtype;
  float* x_sums;        // linear_w4a8_sm90_workspace() bytes, aligned to 16; or nullptr
  bool after_quantize;  // the kernel before in the stream writes x and x_scale, nothing else
  void* stream;
};

// Bytes for the sums of x's codes that zeros need; 0 without.
std::int64_t linear_w4a8_sm90_workspace(const LinearW4A8Sm90Args& args);

// nullptr, or what is wrong.
const char* linear_w4a8_sm90(const LinearW4A8Sm90Args& args);
const char* linear_w4afp8_sm90(const LinearW4A8Sm90Args& args);

// What a call would run.
const char* linear_w4a8_sm90_name(const LinearW4A8Sm90Args& args);

}  // namespace lowp::kernels
