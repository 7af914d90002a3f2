// A file of one ISA level includes its formats first.
#pragma once

#include "kernels/linear_common/job.h"
#include "kernels/linear_mxfp8_weight_only/linear_mxfp8_weight_only.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 32;

inline void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearMxfp8WeightOnlyArgs*>(from);
  convert_groups(args.x.cols / kBlock, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   e8m0_scales(args.weight_scale + at, length, to);
                 });
}

template <class Codes>
LinearJob job_of(const LinearMxfp8WeightOnlyArgs& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = [](const void* from, std::int64_t row, std::int64_t k_begin,
                         std::int64_t k_end, std::int32_t* steps) {
    const auto& args = *static_cast<const LinearMxfp8WeightOnlyArgs*>(from);
    e4m3_to_steps<Codes>(args.weight + row * args.x.cols + k_begin, k_end - k_begin, steps);
  };
  job.group = kBlock;
  job.group_scales = group_scales;
  return job;
}

}  // namespace
}  // namespace lowp::kernels
