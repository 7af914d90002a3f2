// A file of one ISA level includes its formats first.
#pragma once

#include "kernels/linear_common/e8m0_groups_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_mxfp8_weight_only/linear_mxfp8_weight_only.h"

namespace lowp::kernels {
namespace {

template <class Codes>
LinearJob job_of(const LinearMxfp8WeightOnlyArgs& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = [](const void* from, std::int64_t row, std::int64_t k_begin,
                         std::int64_t k_end, std::int32_t* steps) {
    const auto& args = *static_cast<const LinearMxfp8WeightOnlyArgs*>(from);
    e4m3_to_steps<Codes>(args.weight + row * args.x.cols + k_begin, k_end - k_begin, steps);
  };
  job.group = kBlock;
  job.group_scales = e8m0_group_scales<LinearMxfp8WeightOnlyArgs>;
  return job;
}

}  // namespace
}  // namespace lowp::kernels
