// What the files of scaled_mm for Hopper share.
#pragma once

#include "kernels/scaled_mm/scaled_mm.h"

namespace lowp::kernels {

const char* scaled_mm_direct_sm90(const ScaledMmArgs& args);         // sums in the accumulators
const char* scaled_mm_promoted_sm90(const ScaledMmArgs& args);       // promoted every 128 of k
const char* scaled_mm_blocks128_sm90(const ScaledMmArgs& args);      // 1x128 by 128x128
const char* scaled_mm_block_columns_sm90(const ScaledMmArgs& args);  // 1x128 or 128x128 by 1x128
const char* scaled_mm_few_rows_sm90(const ScaledMmArgs& args);       // at most kFewRows of A

inline constexpr std::int64_t kFewRows = 64;

// By cuBLASLt. refuse: nullptr if it has a kernel for these arguments, otherwise why not.
const char* refuse_scaled_mm_cublaslt(const ScaledMmArgs& args);
std::int64_t scaled_mm_cublaslt_workspace(const ScaledMmArgs& args);  // bytes
const char* scaled_mm_cublaslt(const ScaledMmArgs& args);

inline bool is_whole(ScaleRecipe recipe) {
  return recipe == ScaleRecipe::kTensor || recipe == ScaleRecipe::kRow;
}

inline bool is_aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

}  // namespace lowp::kernels
