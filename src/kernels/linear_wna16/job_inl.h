// A file of one ISA level includes its Level of intx_rows_inl.h first, and multiply_by_minus.
#pragma once

#include "kernels/linear_common/group_parameters_inl.h"
#include "kernels/linear_common/intx_rows_inl.h"
#include "kernels/linear_wna16/linear_wna16.h"

namespace lowp::kernels {
namespace {

// -zero_point
inline void group_points(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  values_of_groups<LinearWnA16Args>(
      from, n, rows, group, count, values,
      [](const LinearWnA16Args& args, std::int64_t at, std::int64_t length, float* to) {
        for (std::int64_t i = 0; i < length; ++i)
          to[i] = -static_cast<float>(args.zero_point[at + i]);
      });
}

// -zero_point * scale
inline void group_scaled_points(const void* from, std::int64_t n, std::int64_t rows,
                                std::int64_t group, std::int64_t count, float* values) {
  values_of_groups<LinearWnA16Args>(
      from, n, rows, group, count, values,
      [](const LinearWnA16Args& args, std::int64_t at, std::int64_t length, float* to) {
        parameters_to_fp32(args.scale, args.scale_dtype, at, length, to);
        multiply_by_minus(args.zero_point + at, length, to);
      });
}

// What a stored code is more than what is multiplied.
inline int offset_of(const LinearWnA16Args& args) {
  return args.zero == nullptr ? 1 << (args.bits - 1) : 0;
}

inline void set_groups(const LinearWnA16Args& args, LinearJob& job) {
  job.group = args.group_size;
  job.group_scales = scales_of_groups<LinearWnA16Args>;
  if (args.zero != nullptr) job.group_zeros = zeros_of_groups<LinearWnA16Args>;
}

// Few rows of x in fixed point, those that do not fit it by `others`, one by one. `job`: without
// groups.
template <class Level, int kDigits, class Others>
void multiply_few_rows(const LinearWnA16Args& args, LinearJob job, const Others& others) {
  set_groups(args, job);
  if (args.zero_point != nullptr) job.group_offsets = group_points;
  with_bits(args.bits, [&]<int kBits>(std::integral_constant<int, kBits>) {
    const IntxSpans spans = intx_spans(job.k, job.group, Level::kStep);
    IntxRows<kDigits> rows;
    for (std::int64_t m = 0; m < job.m; ++m) {
      if (!hold_floats<Level, kBits, kDigits>(args.x, m, spans, offset_of(args), rows)) {
        others(rows_of(args, m, 1));
      }
    }
    multiply_intx_rows<Level, kBits>(job, args.weight, spans, rows);
  });
}

// Of panels, whose elements are codes.
inline void set_panel_groups(const LinearWnA16Args& args, LinearJob& job) {
  set_groups(args, job);
  if (args.zero_point != nullptr) job.group_zeros = group_scaled_points;
}

}  // namespace
}  // namespace lowp::kernels
