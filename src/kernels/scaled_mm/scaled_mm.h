#pragma once

#include <cstdint>
#include <span>

#include "formats/dtype.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// What shares a scale in an operand (rows, K), and the scale's type.
//   kTensor   the operand                  fp32 (1)
//   kRow      a row                        fp32 (rows)
//   k1x128    128 of k in a row            fp32 (rows, ceil(K / 128))
//   k128x128  128 of k in 128 rows         fp32 (ceil(rows / 128), ceil(K / 128))
//   k1x32     32 of k in a row             e8m0 (rows, K / 32)
//   k1x16     16 of k in a row             e4m3 (rows, K / 16), times one fp32 for the operand
enum class ScaleRecipe : std::uint8_t { kTensor, kRow, k1x128, k128x128, k1x32, k1x16 };

// One side of a scaled matrix product: batch x (rows, K), k innermost and dense.
struct ScaledOperand {
  const void* codes;
  DType dtype;              // kF8E4M3, kF8E5M2; kF4 with k1x32 and k1x16, even k in the low nibble
  std::int64_t row_stride;  // bytes between rows
  std::int64_t batch_stride;  // bytes between matrices; 0: one matrix for all
  ScaleRecipe recipe;
  const void* scale;                // dequantization factors
  std::int64_t scale_row_stride;    // elements between the scales of neighbouring (blocks of) rows
  std::int64_t scale_block_stride;  // elements between the scales of neighbouring blocks along k
  std::int64_t scale_batch_stride;  // elements
  bool swizzled;                    // k1x32, k1x16: scales in the 32_4_4 layout (numerics 7.1)
  const float* tensor_scale;        // k1x16: (1), or nullptr for 1
};

// out[b, m, n] = sum_k a[b, m, k] b[b, n, k], scaled, + bias[n] (numerics 8): products and sums in
// fp32, the sum inside of a block first, one rounding.
struct ScaledMmArgs {
  ScaledOperand a;  // (M, K)
  ScaledOperand b;  // (N, K)
  std::int64_t batch;
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  const void* bias;             // (N), or nullptr
  DType bias_dtype;             // kF32, kF16, kBF16
  void* out;                    // batch x (M, N), contiguous
  DType out_dtype;              // kF32, kF16, kBF16
  bool fast_accumulation;       // the sum may stay in the tensor core's reduced accumulators
  bool after_quantize;          // GPU: the kernel before in the stream writes `a` and nothing else
  void* stream;                 // GPU: cudaStream_t
  void* workspace;              // what the implementation asks for; CPU: scaled_mm_workspace
  const ParallelFor* parallel;  // CPU
};

// Columns of k that share a scale in both operands: K where a scale is a row's or the operand's.
std::int64_t scaled_mm_block(const ScaledMmArgs& args);

// On the CPU, where the bias is fp32. The workspace's size in bytes is 0 for fp8 operands with
// scales in order.
std::int64_t scaled_mm_workspace(const ScaledMmArgs& args);
void scaled_mm(const ScaledMmArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<ScaledMmArgs>> scaled_mm_implementations();

}  // namespace lowp::kernels
