// Products with many rows of x: 48 rows of the weight times 128 steps of K (AVX2: 16 times 256) are
// decoded into L1 once and multiplied with some 256 rows of x. Groups must be 16 columns or longer.
#pragma once

#include "kernels/linear_common/job.h"

namespace lowp::kernels {

// fp32 elements.
void linear_panels_avx2(const LinearJob& job);
void linear_panels_avx512(const LinearJob& job);

// bf16 elements, vdpbf16ps: products exact, sums fp32, subnormal bf16 numbers count as zero.
void linear_panels_avx512_bf16(const LinearJob& job);

// AMX tiles, of bf16 with products and sums as above, and of signed int8, whose sums are int32 or,
// with group_scales, those of groups and then fp32. The weight is decoded, by job.fill_panel, once
// for some 512 rows of x.
void linear_panels_amx(const LinearJob& job);
void linear_panels_amx_int8(const LinearJob& job);
void linear_panels_amx_int8_groups(const LinearJob& job);

// A tile has 16 rows of x: with four in use, the kernels for few rows of the level below are
// faster.
inline const char* refuse_few_rows_on_amx(std::int64_t m) {
  return m <= 4 ? "four rows of x or fewer" : nullptr;
}

// What the kernels for few rows leave to the level below.
inline const char* refuse_many_rows(std::int64_t m) {
  return m > 4 ? "more than four rows of x" : nullptr;
}

// Levels that multiply bf16 elements of x as they are.
template <class Args>
const char* refuse_x_unless_bf16(const Args& args) {
  return args.x.dtype == DType::kBF16 ? nullptr : "x is not bf16";
}

template <class Args>
const char* refuse_x_on_amx(const Args& args) {
  const char* few = refuse_few_rows_on_amx(args.x.rows);
  return few != nullptr ? few : refuse_x_unless_bf16(args);
}

// Products of int8 activations with a weight in groups: a step of the multipliers is four columns,
// and a panel holds the scales of so many groups.
template <class Args>
const char* refuse_integer_groups(const Args& args) {
  if (args.group_size >= args.k) return nullptr;
  if (args.group_size < 32) return "groups shorter than 32";
  return args.group_size % 4 != 0 ? "groups that are no multiple of 4" : nullptr;
}

template <class Args>
const char* refuse_integer_groups_on_amx(const Args& args) {
  const char* few = refuse_few_rows_on_amx(args.m);
  return few != nullptr ? few : refuse_integer_groups(args);
}

}  // namespace lowp::kernels
