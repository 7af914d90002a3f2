// From the arguments of scaled_mm to those of the kernels of linear_common.
#pragma once

#include "kernels/linear_common/sm90_gemm_launch_inl.cuh"
#include "kernels/scaled_mm/sm90_job.h"

namespace lowp::kernels {
namespace {

inline sm90::Finish finish_of(const ScaledMmArgs& args) {
  const std::int64_t row_bytes = args.n * bits(args.out_dtype) / 8;
  const bool whole = is_whole(args.a.recipe);
  return {
      .row_scale = whole ? static_cast<const float*>(args.a.scale) : nullptr,
      .column_scale = whole ? static_cast<const float*>(args.b.scale) : nullptr,
      .row_stride = args.a.scale_row_stride,
      .column_stride = args.b.scale_row_stride,
      .row_batch_stride = args.a.scale_batch_stride,
      .column_batch_stride = args.b.scale_batch_stride,
      .bias = args.bias,
      .bias_dtype = args.bias_dtype,
      .row_zero_point = nullptr,
      .column_sums = nullptr,
      .out = args.out,
      .out_dtype = args.out_dtype,
      .by_copy_engine = row_bytes % 16 == 0 && reinterpret_cast<std::uintptr_t>(args.out) % 16 == 0,
  };
}

inline sm90::GemmParams params_of(const ScaledMmArgs& args) {
  const auto stride = [](std::int64_t elements) { return static_cast<int>(elements); };
  const auto* row_scale = static_cast<const float*>(args.a.scale);
  const auto* column_scale = static_cast<const float*>(args.b.scale);
  return {
      .size = {static_cast<int>(args.m), static_cast<int>(args.n), static_cast<int>(args.k)},
      .tiles = {.rows = 0, .columns = 0, .batch = static_cast<int>(args.batch), .group = 16},
      .a_batched = args.a.batch_stride != 0,
      .b_batched = args.b.batch_stride != 0,
      .finish = finish_of(args),
      .blocks = {.row_scale = row_scale,
                 .row_stride = stride(args.a.scale_row_stride),
                 .row_block_stride = stride(args.a.scale_block_stride),
                 .row_batch_stride = args.a.scale_batch_stride,
                 .row_shift = args.a.recipe == ScaleRecipe::k128x128 ? 7 : 0,
                 .column_scale = column_scale,
                 .column_stride = stride(args.b.scale_row_stride),
                 .column_block_stride = stride(args.b.scale_block_stride),
                 .column_batch_stride = args.b.scale_batch_stride},
  };
}

inline sm90::GemmOperand operand_of(const ScaledOperand& operand, std::int64_t rows,
                                    std::int64_t batch) {
  return {.codes = operand.codes,
          .rows = rows,
          .row_stride = operand.row_stride,
          .batch = operand.batch_stride == 0 ? 1 : batch,
          .batch_stride = operand.batch_stride};
}

// Calls run(operands) with the types of A and B, or of B and A.
template <class Run>
const char* with_operands(DType a, DType b, const Run& run) {
  if (a == DType::kF8E5M2) return run(sm90::E5m2E4m3{});
  if (b == DType::kF8E5M2) return run(sm90::E4m3E5m2{});
  return run(sm90::E4m3E4m3{});
}

template <sm90::Mainloop kLoop, int kColumns>
const char* run_gemm(const ScaledMmArgs& args) {
  return with_operands(args.a.dtype, args.b.dtype, [&](auto operands) {
    using Config = sm90::GemmConfig<decltype(operands), float, kLoop, kColumns>;
    return sm90::launch_gemm<Config>(operand_of(args.a, args.m, args.batch),
                                     operand_of(args.b, args.n, args.batch), params_of(args),
                                     args.after_quantize, static_cast<cudaStream_t>(args.stream));
  });
}

}  // namespace
}  // namespace lowp::kernels
