// Linear layers of a mixture of experts: rows of x sorted by expert, a weight an expert.
#pragma once

#include <cstdint>

#include "kernels/linear_bf16/linear_bf16.h"
#include "kernels/linear_fp8/linear_fp8.h"
#include "kernels/linear_fp8_weight_only/linear_fp8_weight_only.h"
#include "kernels/linear_mxfp4/linear_mxfp4.h"
#include "kernels/linear_mxfp6/linear_mxfp6.h"
#include "kernels/linear_mxfp8/linear_mxfp8.h"
#include "kernels/linear_mxfp8_weight_only/linear_mxfp8_weight_only.h"
#include "kernels/linear_nvfp4/linear_nvfp4.h"
#include "kernels/linear_w4a16/linear_w4a16.h"
#include "kernels/linear_w4a8/linear_w4a8.h"
#include "kernels/linear_w8a16/linear_w8a16.h"
#include "kernels/linear_w8a8/linear_w8a8.h"

namespace lowp::kernels {

// Rows of x by expert (numerics 7.2).
struct RowGroups {
  const std::int32_t* ends;  // (count), not decreasing: rows [ends[g - 1], ends[g]), first from 0
  std::int64_t count;        // experts
};

// The operation whose arguments these are, for each group by itself: its rows of x times its
// expert's weight. Rows of `out` behind the last group become 0. The weight, its scales, zeros,
// sums of rows and bias are those of all experts, one after the other; `n` (out.cols) counts the
// columns of one. Bit-equal to a call for each group.
void grouped_linear(const LinearBf16Args& args, const RowGroups& groups);
void grouped_linear(const LinearW8A8Args& args, const RowGroups& groups);
void grouped_linear(const LinearW8A16Args& args, const RowGroups& groups);
void grouped_linear(const LinearW4A8Args& args, const RowGroups& groups);
void grouped_linear(const LinearW4A16Args& args, const RowGroups& groups);
// x has a scale a row, or one for 128 columns.
void grouped_linear(const LinearFp8Args& args, const RowGroups& groups);
void grouped_linear(const LinearFp8WeightOnlyArgs& args, const RowGroups& groups);
void grouped_linear(const LinearMxfp8Args& args, const RowGroups& groups);
void grouped_linear(const LinearMxfp8WeightOnlyArgs& args, const RowGroups& groups);
void grouped_linear(const LinearMxfp6Args& args, const RowGroups& groups);
void grouped_linear(const LinearMxfp4Args& args, const RowGroups& groups);
void grouped_linear(const LinearNvfp4Args& args, const RowGroups& groups);

}  // namespace lowp::kernels
