#include <array>

#include "kernels/scaled_mm/sm90.h"
#include "kernels/scaled_mm/sm90_blocks.h"
#include "kernels/scaled_mm/sm90_job.h"

namespace lowp::kernels {
namespace {

bool has_aligned_rows(const ScaledOperand& operand) {
  return is_aligned(operand.codes) && operand.row_stride % 16 == 0 &&
         operand.batch_stride % 16 == 0;
}

const char* refuse_gemm(const ScaledMmArgs& args) {
  if (args.a.recipe == ScaleRecipe::k1x32 || args.a.recipe == ScaleRecipe::k1x16) {
    return "scales of 32 or 16 columns";
  }
  if (args.a.dtype == DType::kF8E5M2 && args.b.dtype == DType::kF8E5M2) return "e5m2 by e5m2";
  for (const ScaledOperand* operand : {&args.a, &args.b}) {
    if (operand->scale_row_stride > INT32_MAX || operand->scale_block_stride > INT32_MAX) {
      return "scales that are 2^31 elements apart";
    }
  }
  if (!has_aligned_rows(args.a)) return "a's rows are not 16 bytes aligned";
  if (!has_aligned_rows(args.b)) return "b's rows are not 16 bytes aligned";
  return nullptr;
}

const char* refuse_few_rows(const ScaledMmArgs& args) {
  if (args.m > kFewRows) return "more than 64 rows";
  if (args.batch > 1) return "a batch";
  if (args.b.recipe == ScaleRecipe::k1x128) return "scales of 128 columns for each row of b";
  return refuse_gemm(args);
}

const char* run_gemm(const ScaledMmArgs& args) {
  if (args.b.recipe == ScaleRecipe::k1x128) return scaled_mm_block_columns_sm90(args);
  if (args.b.recipe == ScaleRecipe::k128x128) return scaled_mm_blocks128_sm90(args);
  return args.fast_accumulation ? scaled_mm_direct_sm90(args) : scaled_mm_promoted_sm90(args);
}

const char* never(const ScaledMmArgs&) { return nullptr; }
std::int64_t no_workspace(const ScaledMmArgs&) { return 0; }

// Measured on an H200, torch's cuBLASLt being 1 (M x K x N; rows, fast sums):
//   8192x8192x8192 0.99, 4096x4096x4096 0.967, 16384x4096x14336 0.973, 16384x14336x4096 1.018
// 1x128 by 128x128: 0.964, 0.982, 0.976, 0.976; but cuBLASLt's scales may have to be put in order
// first, some 4 us.
const char* cublaslt_slower(const ScaledMmArgs& args) {
  const bool is_long = args.k >= 12288 && args.fast_accumulation;
  if (is_whole(args.a.recipe)) return is_long ? "k is long" : nullptr;
  const bool is_large = args.m * args.n * (args.k / 1024) >= std::int64_t{1} << 27;
  return is_large ? nullptr : "a small product with scales of blocks";
}

// Decoding both operands first costs 3 bytes an element of them, multiplying them fused a third of
// the products' rate: even at a harmonic mean of the sides of 1500.
const char* decoded_slower(const ScaledMmArgs& args) {
  return args.m * args.n > 768 * (args.m + args.n) ? nullptr : "few rows or columns";
}

constexpr std::array<ScaledMmSm90, 5> kList{{
    {"sm90_few_rows", "lowp", refuse_few_rows, never, no_workspace, scaled_mm_few_rows_sm90},
    {"cublaslt", "cublaslt", refuse_scaled_mm_cublaslt, cublaslt_slower,
     scaled_mm_cublaslt_workspace, scaled_mm_cublaslt},
    {"sm90", "lowp", refuse_gemm, never, no_workspace, run_gemm},
    {"sm90_decoded", "emulated", refuse_scaled_mm_decoded, decoded_slower,
     scaled_mm_decoded_workspace, scaled_mm_decoded},
    {"sm90_blocks", "lowp", refuse_scaled_mm_blocks_sm90, never, no_workspace,
     scaled_mm_blocks_sm90},
}};

}  // namespace

std::span<const ScaledMmSm90> scaled_mm_sm90() { return kList; }

}  // namespace lowp::kernels
