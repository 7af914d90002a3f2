// A file of one ISA level includes its vectors and multiply_by_minus first.
#pragma once

#include "kernels/linear_common/group_parameters_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_w4a16/linear_w4a16.h"

namespace lowp::kernels {
namespace {

// zero, or -zero_point * scale
inline void group_zeros(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                        std::int64_t count, float* values) {
  values_of_groups<LinearW4A16Args>(
      from, n, rows, group, count, values,
      [](const LinearW4A16Args& args, std::int64_t at, std::int64_t length, float* to) {
        const bool floats = args.zero != nullptr;
        parameters_to_fp32(floats ? args.zero : args.scale, args.scale_dtype, at, length, to);
        if (!floats) multiply_by_minus(args.zero_point + at, length, to);
      });
}

inline void set_groups(const LinearW4A16Args& args, LinearJob& job) {
  job.group = args.group_size;
  job.group_scales = scales_of_groups<LinearW4A16Args>;
  if (args.zero != nullptr || args.zero_point != nullptr) job.group_zeros = group_zeros;
}

}  // namespace
}  // namespace lowp::kernels
