// Scaled matrix products of operands with scales of 16 or 32 elements along k, on Hopper.
#pragma once

#include "kernels/scaled_mm/scaled_mm.h"

namespace lowp::kernels {

// Both operands MXFP8 (e4m3 or e5m2 each), both MXFP4, or both NVFP4: an element times the scale of
// its block is a bf16, and the product is one of bf16. Codes must be aligned to 16 bytes, their row
// and batch strides multiples of 16. nullptr if these arguments are taken, otherwise why not.
const char* refuse_scaled_mm_blocks_sm90(const ScaledMmArgs& args);

// Needs no workspace. Returns nullptr, or what is wrong.
const char* scaled_mm_blocks_sm90(const ScaledMmArgs& args);

// The same products with both operands decoded to bf16 in the workspace, then cuBLASLt: 2 (M + N) K
// bytes more of memory, and three times the reading of codes. Exact as well.
const char* refuse_scaled_mm_decoded(const ScaledMmArgs& args);
std::int64_t scaled_mm_decoded_workspace(const ScaledMmArgs& args);
const char* scaled_mm_decoded(const ScaledMmArgs& args);

}  // namespace lowp::kernels
