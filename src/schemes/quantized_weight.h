// One weight of a linear layer, quantized: plain buffers in documented layouts. Torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"
#include "schemes/scheme.h"

namespace lowp {

// A weight (N, K) under `scheme`; x ~ code * scale and so on as the kernels define it.
//   kInt8    codes (N, K) int8; scale (N, 1), (1, 1) or (N, K / g)
//   kIntx    codes (N, K * bits / 8), a stream of code + 2^(bits - 1) a row; scale (N, K / g) or
//            (N, 1); zero_point alike
//   kInt4    codes (N, K / 2), even k in the low nibble; scale (N, K / g); zero_point or zero alike
//   kFp8     codes (N, K) e4m3; scale (1, 1), (N, 1) or (ceil(N / 128), ceil(K / 128))
//   kMxfp8   codes (N, K) e4m3; block_scale (N, K / 32) e8m0
//   kMxfp6E2m3, kMxfp6E3m2
//            codes (N, K * 6 / 8), four in three bytes; block_scale (N, K / 32) e8m0
//   kMxfp4   codes (N, K / 2) e2m1; block_scale (N, K / 32) e8m0
//   kNvfp4   codes (N, K / 2) e2m1; block_scale (N, K / 16) e4m3; tensor_scale
struct QuantizedWeight {
  Scheme scheme;  // its group_size is the one in use
  std::int64_t n = 0;
  std::int64_t k = 0;
  DType dtype = DType::kBF16;        // of the original weight
  DType scale_dtype = DType::kBF16;  // each value of scale and zero is one of this dtype
  std::vector<std::uint8_t> codes;
  std::vector<float> scale;               // kInt8, kInt4, kIntx, kFp8
  std::vector<std::uint8_t> block_scale;  // MX formats, kNvfp4
  std::vector<std::int8_t> zero_point;    // kInt4, kIntx with kAsymmetric; as scale
  std::vector<float> zero;                // kInt4 with kFloatZero; shaped as scale
  float tensor_scale = 1;                 // kNvfp4
  // compressed-tensors stores the reciprocal of the tensor scale and divides by it. If not 0,
  // dequantize_weight does so too (the last bit of fp32 may differ).
  float reciprocal_tensor_scale = 0;

  std::int64_t byte_count() const;  // codes and scales, scales as stored in scale_dtype
};

// Columns that one scale covers, and the number of scales along each side.
kernels::Block scale_block(const Scheme& scheme, std::int64_t n, std::int64_t k);

struct QuantizeWeightOptions {
  // Dtype of scales and of the arithmetic that makes them. Default: the weight's dtype for integer
  // formats, F32 for float8 (torchao); compressed-tensors has the weight's dtype everywhere.
  std::optional<DType> scale_dtype;
  // Largest |x| for schemes with one scale a tensor (FP8, NVFP4), when it is shared by several
  // weights or the weight comes in parts. Default: of this weight.
  std::optional<float> amax;
  MxScaleMode mx_scale_mode = MxScaleMode::kRceil;
};

// weight (N, K), F32, F16 or BF16. Throws lowp::Error if the scheme does not fit the shape.
// numerics: affine integers (torchao's quant_primitives; eps 2^-23, of kIntx the smallest normal
// number of the weight's dtype), float8 with float scales,
// OCP MX 1.0, NVFP4 inference recipe.
QuantizedWeight quantize_weight(const Scheme& scheme, const kernels::Matrix& weight,
                                const kernels::ParallelFor* parallel = nullptr,
                                const QuantizeWeightOptions& options = {});

// The same into `out`, whose buffers are reused.
void quantize_weight_into(QuantizedWeight& out, const Scheme& scheme, const kernels::Matrix& weight,
                          const kernels::ParallelFor* parallel,
                          const QuantizeWeightOptions& options);

// out (N, K), F32, F16 or BF16.
void dequantize_weight(const QuantizedWeight& weight, const kernels::MutableMatrix& out,
                       const kernels::ParallelFor* parallel = nullptr);
// Rows [begin, begin + out.rows) alone; begin is a multiple of 128 for FP8_BLOCK.
void dequantize_weight_rows(const QuantizedWeight& weight, std::int64_t begin,
                            const kernels::MutableMatrix& out,
                            const kernels::ParallelFor* parallel = nullptr);

// Largest |x|; NaN if there is one.
float amax(const kernels::Matrix& x);

}  // namespace lowp
