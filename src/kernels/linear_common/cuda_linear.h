// Linear layers on the GPU whose weight is quantized and whose activations are not: what the kernel
// for few rows and the one for many take alike.
#pragma once

#include <cstdint>

#include "formats/dtype.h"

namespace lowp::kernels {

enum class CudaWeightFormat : std::uint8_t { kInt8, kInt4, kFp8, kMxfp8, kMxfp4, kNvfp4 };

// A weight (N, K) on the device, codes and scales as schemes/quantized_weight.h lays them out.
//   kInt8    codes (N, K) int8; scale (N, K / group_cols) fp32
//   kInt4    codes (N, K / 2), even k in the low nibble; scale (N, K / group_cols), bf16 or fp32;
//            w = (code - zero_point) * scale, or code * scale + zero
//   kFp8     codes (N, K) e4m3; scale (ceil(N / group_rows), ceil(K / group_cols)) fp32
//   kMxfp8   codes (N, K) e4m3; scale (N, K / 32) e8m0
//   kMxfp4   codes (N, K / 2) e2m1; scale (N, K / 32) e8m0
//   kNvfp4   codes (N, K / 2) e2m1; scale (N, K / 16) e4m3; tensor_scale (1) fp32
struct CudaWeight {
  CudaWeightFormat format;
  const void* codes;
  const void* scale;
  DType scale_dtype;              // of scale and zero
  const std::int8_t* zero_point;  // kInt4; shaped as scale, or nullptr
  const void* zero;               // kInt4; shaped as scale, or nullptr; not both
  const float* tensor_scale;      // kNvfp4
  std::int64_t group_rows;        // rows and columns that share a scale
  std::int64_t group_cols;
  std::int64_t n;
  std::int64_t k;
};

// out = x weight^T + bias: the weight dequantized to x's dtype (numerics 8), products and sums in
// fp32, one rounding. The dequantized weight is never written to device memory.
struct CudaLinearArgs {
  const void* x;  // (M, K), bf16 or fp16; rows x_stride elements apart
  DType x_dtype;
  std::int64_t m;
  std::int64_t x_stride;
  CudaWeight weight;
  const void* bias;  // (N) of x's dtype, or nullptr
  void* out;         // (M, N) of x's dtype, contiguous
  void* workspace;   // of at least the bytes that the kernel asks for, 256-byte aligned
  void* stream;      // cudaStream_t
};

}  // namespace lowp::kernels
