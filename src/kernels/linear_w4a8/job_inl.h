// A file of one ISA level includes its vectors first.
#pragma once

#include "kernels/linear_common/elements_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_w4a8/linear_w4a8.h"

namespace lowp::kernels {
namespace {

// The multipliers take the weight unsigned: its codes get 8 added, which the sums of x, times 8,
// take off again. 15 * 128 * 2 * 8 fits int16, so that eight products of pairs do.
constexpr std::int32_t kCodeOffset = 8;

template <class Get>
void values_of_groups(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                      std::int64_t count, float* values, const Get& get) {
  const auto& args = *static_cast<const LinearW4A8Args*>(from);
  convert_groups(
      args.k / args.group_size, n, rows, group, count, values,
      [&](std::int64_t at, std::int64_t length, float* to) { get(args, at, length, to); });
}

inline void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  values_of_groups(from, n, rows, group, count, values,
                   [](const LinearW4A8Args& args, std::int64_t at, std::int64_t length, float* to) {
                     parameters_to_fp32(args.scale, args.scale_dtype, at, length, to);
                   });
}

inline void group_zeros(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                        std::int64_t count, float* values) {
  values_of_groups(from, n, rows, group, count, values,
                   [](const LinearW4A8Args& args, std::int64_t at, std::int64_t length, float* to) {
                     parameters_to_fp32(args.zero, args.scale_dtype, at, length, to);
                   });
}

// -(kOffset + zero_point)
template <std::int32_t kOffset>
void group_offsets(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                   std::int64_t count, float* values) {
  values_of_groups(from, n, rows, group, count, values,
                   [](const LinearW4A8Args& args, std::int64_t at, std::int64_t length, float* to) {
                     for (std::int64_t i = 0; i < length; ++i) {
                       const int zero_point =
                           args.zero_point == nullptr ? 0 : args.zero_point[at + i];
                       to[i] = static_cast<float>(-kOffset - zero_point);
                     }
                   });
}

// Without the decoders.
inline LinearJob job_of(const LinearW4A8Args& args) {
  LinearJob job{};
  job.args = &args;
  job.m = args.m;
  job.n = args.n;
  job.k = args.k;
  job.group = args.group_size;
  job.group_scales = group_scales;
  job.group_offsets = group_offsets<kCodeOffset>;
  if (args.zero != nullptr) job.group_zeros = group_zeros;
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
