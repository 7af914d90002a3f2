// A file of one ISA level includes its vectors and multiply_by_minus first.
#pragma once

#include "kernels/linear_common/elements_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_w4a16/linear_w4a16.h"

namespace lowp::kernels {
namespace {

inline void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearW4A16Args*>(from);
  convert_groups(args.x.cols / args.group_size, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   parameters_to_fp32(args.scale, args.scale_dtype, at, length, to);
                 });
}

// zero, or -zero_point * scale
inline void group_zeros(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                        std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearW4A16Args*>(from);
  convert_groups(args.x.cols / args.group_size, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   const bool floats = args.zero != nullptr;
                   parameters_to_fp32(floats ? args.zero : args.scale, args.scale_dtype, at, length,
                                      to);
                   if (!floats) multiply_by_minus(args.zero_point + at, length, to);
                 });
}

inline void set_groups(const LinearW4A16Args& args, LinearJob& job) {
  job.group = args.group_size;
  job.group_scales = group_scales;
  if (args.zero != nullptr || args.zero_point != nullptr) job.group_zeros = group_zeros;
}

}  // namespace
}  // namespace lowp::kernels
