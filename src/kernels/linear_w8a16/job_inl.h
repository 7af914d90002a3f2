// A file of one ISA level includes its vectors first.
#pragma once

#include "kernels/linear_common/elements_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_w8a16/linear_w8a16.h"

namespace lowp::kernels {
namespace {

inline void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearW8A16Args*>(from);
  convert_groups(args.x.cols / args.group_size, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   parameters_to_fp32(args.scale, DType::kF32, at, length, to);
                 });
}

inline void set_scales(const LinearW8A16Args& args, LinearJob& job) {
  if (args.group_size < args.x.cols) {
    job.group = args.group_size;
    job.group_scales = group_scales;
  } else {
    job.column_scale = args.scale;
    job.column_scale_stride = 1;
  }
}

}  // namespace
}  // namespace lowp::kernels
