#include <array>

#include "kernels/scaled_mm/sm90.h"
#include "kernels/scaled_mm/sm90_blocks.h"
#include "kernels/scaled_mm/sm90_job.h"

namespace lowp::kernels {
namespace {

bool is_aligned(const ScaledOperand& operand) {
  return reinterpret_cast<std::uintptr_t>(operand.codes) % 16 == 0 &&
         operand.row_stride % 16 == 0 && operand.batch_stride % 16 == 0;
}

const char* refuse_gemm(const ScaledMmArgs& args) {
  if (args.a.recipe == ScaleRecipe::k1x32 || args.a.recipe == ScaleRecipe::k1x16) {
    return "scales of 32 or 16 columns";
  }
  if (args.a.dtype == DType::kF8E5M2 && args.b.dtype == DType::kF8E5M2) return "e5m2 by e5m2";
  if (!is_aligned(args.a)) return "a's rows are not 16 bytes aligned";
  if (!is_aligned(args.b)) return "b's rows are not 16 bytes aligned";
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

constexpr std::array<ScaledMmSm90, 3> kList{{
    {"sm90_few_rows", "lowp", refuse_few_rows, scaled_mm_few_rows_sm90},
    {"sm90", "lowp", refuse_gemm, run_gemm},
    {"sm90_blocks", "lowp", refuse_scaled_mm_blocks_sm90, scaled_mm_blocks_sm90},
}};

}  // namespace

std::span<const ScaledMmSm90> scaled_mm_sm90() { return kList; }

}  // namespace lowp::kernels
