// Scales, zeros and offsets of groups (job.h) out of an operation's arguments: those with integer
// codes have the same names. A file of one ISA level includes its vectors first.
#pragma once

#include "kernels/linear_common/elements_inl.h"

namespace lowp::kernels {
namespace {

template <class Args>
std::int64_t columns_of(const Args& args) {
  if constexpr (requires { args.k; }) {
    return args.k;
  } else {
    return args.x.cols;
  }
}

// get(args, at, length, to): `length` numbers of the (N, groups) from `at` on.
template <class Args, class Get>
void values_of_groups(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                      std::int64_t count, float* values, const Get& get) {
  const auto& args = *static_cast<const Args*>(from);
  convert_groups(
      columns_of(args) / args.group_size, n, rows, group, count, values,
      [&](std::int64_t at, std::int64_t length, float* to) { get(args, at, length, to); });
}

template <class Args>
void scales_of_groups(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                      std::int64_t count, float* values) {
  values_of_groups<Args>(from, n, rows, group, count, values,
                         [](const Args& args, std::int64_t at, std::int64_t length, float* to) {
                           parameters_to_fp32(args.scale, args.scale_dtype, at, length, to);
                         });
}

template <class Args>
void zeros_of_groups(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                     std::int64_t count, float* values) {
  values_of_groups<Args>(from, n, rows, group, count, values,
                         [](const Args& args, std::int64_t at, std::int64_t length, float* to) {
                           parameters_to_fp32(args.zero, args.scale_dtype, at, length, to);
                         });
}

// -(offset(args) + zero_point), without zero points those of 0
template <class Args, class Offset>
void offsets_of_groups(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                       std::int64_t count, float* values, const Offset& offset) {
  values_of_groups<Args>(from, n, rows, group, count, values,
                         [&](const Args& args, std::int64_t at, std::int64_t length, float* to) {
                           for (std::int64_t i = 0; i < length; ++i) {
                             const int point =
                                 args.zero_point == nullptr ? 0 : args.zero_point[at + i];
                             to[i] = static_cast<float>(-offset(args) - point);
                           }
                         });
}

// `rows` of x and out, from `first` on.
template <class Args>
Args rows_of(const Args& args, std::int64_t first, std::int64_t rows) {
  Args part = args;
  part.x.rows = rows;
  part.x.data =
      static_cast<const char*>(args.x.data) + first * args.x.stride * bits(args.x.dtype) / 8;
  part.out.rows = rows;
  part.out.data =
      static_cast<char*>(args.out.data) + first * args.out.stride * bits(args.out.dtype) / 8;
  return part;
}

// Each row of x as if it were alone.
template <class Args>
void run_each_row(const Args& args, void (*run)(const Args&)) {
  for (std::int64_t m = 0; m < args.x.rows; ++m) run(rows_of(args, m, 1));
}

}  // namespace
}  // namespace lowp::kernels
