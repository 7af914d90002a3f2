#pragma once

#include "kernels/linear_common/e8m0_groups_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_mxfp4/linear_mxfp4.h"

namespace lowp::kernels {
namespace {

template <class Codes>
void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp4Args*>(from);
  const std::int64_t at = row * args.x.cols + k_begin;
  e2m1_to_steps<Codes>(args.weight + at / 2, k_end - k_begin, steps);
}

template <class Codes>
void set_weight(LinearJob& job) {
  job.decode_weight = decode_weight<Codes>;
  job.group = kBlock;
  job.group_scales = e8m0_group_scales<LinearMxfp4Args>;
}

}  // namespace
}  // namespace lowp::kernels
