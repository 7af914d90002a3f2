#pragma once

#include "kernels/linear_common/job.h"
#include "kernels/linear_w8a8/linear_w8a8.h"

namespace lowp::kernels {
namespace {

// Without the decoders; x_offset: what the multiplier adds to the codes of x.
inline LinearJob job_of(const LinearW8A8Args& args, std::int32_t x_offset) {
  LinearJob job{};
  job.args = &args;
  job.m = args.m;
  job.n = args.n;
  job.k = args.k;
  job.row_scale = args.x_scale;
  job.row_scale_stride = 1;
  job.column_scale = args.weight_scale;
  job.column_scale_stride = 1;
  job.bias = args.bias;
  job.epilogue = args.epilogue;
  job.out = args.out;
  job.parallel = args.parallel;
  job.row_sums = args.weight_row_sums;
  job.x_zero_point = args.x_zero_point;
  job.x_offset = x_offset;
  return job;
}

}  // namespace
}  // namespace lowp::kernels
