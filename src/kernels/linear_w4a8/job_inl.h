// A file of one ISA level includes its vectors first.
#pragma once

#include "kernels/linear_common/group_parameters_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_w4a8/linear_w4a8.h"

namespace lowp::kernels {
namespace {

// The multipliers take the weight unsigned: its codes get 8 added, which the sums of x, times 8,
// take off again. 15 * 128 * 2 * 8 fits int16, so that eight products of pairs do.
constexpr std::int32_t kCodeOffset = 8;

// -(kOffset + zero_point)
template <std::int32_t kOffset>
void group_offsets(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                   std::int64_t count, float* values) {
  offsets_of_groups<LinearW4A8Args>(from, n, rows, group, count, values,
                                    [](const LinearW4A8Args&) { return kOffset; });
}

// Without the decoders.
inline LinearJob job_of(const LinearW4A8Args& args) {
  LinearJob job{};
  job.args = &args;
  job.m = args.m;
  job.n = args.n;
  job.k = args.k;
  job.group = args.group_size;
  job.group_scales = scales_of_groups<LinearW4A8Args>;
  job.group_offsets = group_offsets<kCodeOffset>;
  if (args.zero != nullptr) job.group_zeros = zeros_of_groups<LinearW4A8Args>;
  job.row_scale = args.x_scale;
  job.row_scale_stride = 1;
  job.bias = args.bias;
  job.out = args.out;
  job.parallel = args.parallel;
  job.fp32_row_sums = args.row_sums;
  job.x_zero_point = args.x_zero_point;
  return job;
}

}  // namespace
}  // namespace lowp::kernels
