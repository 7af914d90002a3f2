#pragma once

#include "kernels/linear_common/e8m0_groups_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_mxfp8/linear_mxfp8.h"

namespace lowp::kernels {
namespace {

template <class Codes>
void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  e4m3_to_steps<Codes>(args.weight + row * args.k + k_begin, k_end - k_begin, steps);
}

template <class Codes>
LinearJob job_of(const LinearMxfp8Args& args, LinearJob::Decode decode_x) {
  LinearJob job{};
  job.args = &args;
  job.m = args.m;
  job.n = args.n;
  job.k = args.k;
  job.decode_weight = decode_weight<Codes>;
  job.decode_x = decode_x;
  job.group = kBlock;
  job.group_scales = e8m0_group_scales<LinearMxfp8Args>;
  job.bias = args.bias;
  job.out = args.out;
  job.parallel = args.parallel;
  return job;
}

}  // namespace
}  // namespace lowp::kernels
