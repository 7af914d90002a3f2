#pragma once

#include "kernels/linear_common/job.h"
#include "kernels/linear_mxfp4/linear_mxfp4.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 32;

inline void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearMxfp4Args*>(from);
  convert_groups(args.x.cols / kBlock, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   e8m0_scales(args.weight_scale + at, length, to);
                 });
}

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
  job.group_scales = group_scales;
}

}  // namespace
}  // namespace lowp::kernels
