// The arguments of one part of a grouped operation.
#pragma once

#include <cstddef>

#include "kernels/grouped_linear/grouped_linear.h"

namespace lowp::kernels {

// Rows of x that belong to one expert, times some of the columns that its weight gives.
struct Part {
  std::int64_t expert;
  std::int64_t row;  // of x and out
  std::int64_t rows;
  std::int64_t column;  // of out
  std::int64_t columns;
  std::int64_t weight_row;  // counted over the weights of all experts
  const ParallelFor* parallel;
};

template <class T>
const T* moved(const T* data, std::int64_t elements) {
  return data == nullptr ? nullptr : data + elements;
}

inline const void* moved(const void* data, DType dtype, std::int64_t elements) {
  return moved(static_cast<const std::byte*>(data), elements * bits(dtype) / 8);
}

// `args` but for the weight, its parameters, and x where that is quantized.
template <class Args>
Args with_output(Args args, const Part& part) {
  args.bias = moved(args.bias, part.weight_row);
  auto* out = static_cast<std::byte*>(args.out.data);
  const std::int64_t first = part.row * args.out.stride + part.column;
  args.out.data = out + first * bits(args.out.dtype) / 8;
  args.out.rows = part.rows;
  args.out.cols = part.columns;
  args.parallel = part.parallel;
  return args;
}

template <class Args>
Args with_matrix(Args args, const Part& part) {
  args.x.data = moved(args.x.data, args.x.dtype, part.row * args.x.stride);
  args.x.rows = part.rows;
  return with_output(args, part);
}

// x (M, K) of one byte each.
template <class Args>
Args with_codes(Args args, const Part& part) {
  args.x += part.row * args.k;
  args.m = part.rows;
  args.n = part.columns;
  return with_output(args, part);
}

// Elements before the part's scales of a float8 weight: `n` columns of out have an expert.
inline std::int64_t fp8_scales_before(Block block, std::int64_t n, std::int64_t k,
                                      const Part& part) {
  if (block.rows == 1) return part.weight_row;
  if (block.rows >= n && block.cols >= k) return part.expert;
  const std::int64_t down = (n + block.rows - 1) / block.rows;
  const std::int64_t across = (k + block.cols - 1) / block.cols;
  return (part.expert * down + part.column / block.rows) * across;
}

inline LinearBf16Args part_of(const LinearBf16Args& args, const Part& part) {
  LinearBf16Args result = with_matrix(args, part);
  result.weight += part.weight_row * args.x.cols;
  return result;
}

inline LinearW8A16Args part_of(const LinearW8A16Args& args, const Part& part) {
  LinearW8A16Args result = with_matrix(args, part);
  result.weight += part.weight_row * args.x.cols;
  result.scale += part.weight_row * (args.x.cols / args.group_size);
  return result;
}

// Scale, zero point and zero of int4 groups.
template <class Args>
void move_int4_parameters(Args& args, std::int64_t groups) {
  args.scale = moved(args.scale, args.scale_dtype, groups);
  args.zero_point = moved(args.zero_point, groups);
  args.zero = moved(args.zero, args.scale_dtype, groups);
}

inline LinearW4A16Args part_of(const LinearW4A16Args& args, const Part& part) {
  LinearW4A16Args result = with_matrix(args, part);
  result.weight += part.weight_row * (args.x.cols / 2);
  move_int4_parameters(result, part.weight_row * (args.x.cols / args.group_size));
  return result;
}

inline LinearFp8WeightOnlyArgs part_of(const LinearFp8WeightOnlyArgs& args, const Part& part) {
  LinearFp8WeightOnlyArgs result = with_matrix(args, part);
  result.weight += part.weight_row * args.x.cols;
  result.weight_scale += fp8_scales_before(args.weight_block, args.out.cols, args.x.cols, part);
  return result;
}

inline LinearMxfp8WeightOnlyArgs part_of(const LinearMxfp8WeightOnlyArgs& args, const Part& part) {
  LinearMxfp8WeightOnlyArgs result = with_matrix(args, part);
  result.weight += part.weight_row * args.x.cols;
  result.weight_scale += part.weight_row * (args.x.cols / 32);
  return result;
}

inline LinearMxfp6Args part_of(const LinearMxfp6Args& args, const Part& part) {
  LinearMxfp6Args result = with_matrix(args, part);
  result.weight += part.weight_row * (args.x.cols / 4 * 3);
  result.weight_scale += part.weight_row * (args.x.cols / 32);
  return result;
}

inline LinearMxfp4Args part_of(const LinearMxfp4Args& args, const Part& part) {
  LinearMxfp4Args result = with_matrix(args, part);
  result.weight += part.weight_row * (args.x.cols / 2);
  result.weight_scale += part.weight_row * (args.x.cols / 32);
  return result;
}

inline LinearNvfp4Args part_of(const LinearNvfp4Args& args, const Part& part) {
  LinearNvfp4Args result = with_matrix(args, part);
  result.weight += part.weight_row * (args.x.cols / 2);
  result.weight_block_scale += part.weight_row * (args.x.cols / 16);
  result.weight_tensor_scale += part.expert;
  return result;
}

inline LinearW8A8Args part_of(const LinearW8A8Args& args, const Part& part) {
  LinearW8A8Args result = with_codes(args, part);
  result.x_scale += part.row;
  result.x_zero_point = moved(args.x_zero_point, part.row);
  result.weight += part.weight_row * args.k;
  result.weight_scale += part.weight_row;
  result.weight_row_sums += part.weight_row;
  return result;
}

inline LinearW4A8Args part_of(const LinearW4A8Args& args, const Part& part) {
  LinearW4A8Args result = with_codes(args, part);
  result.x_scale += part.row;
  result.x_zero_point = moved(args.x_zero_point, part.row);
  result.weight += part.weight_row * (args.k / 2);
  move_int4_parameters(result, part.weight_row * (args.k / args.group_size));
  result.row_sums = moved(args.row_sums, part.weight_row);
  return result;
}

inline LinearFp8Args part_of(const LinearFp8Args& args, const Part& part) {
  LinearFp8Args result = with_codes(args, part);
  result.x_scale += part.row * ((args.k + args.x_block.cols - 1) / args.x_block.cols);
  result.weight += part.weight_row * args.k;
  result.weight_scale += fp8_scales_before(args.weight_block, args.n, args.k, part);
  return result;
}

inline LinearMxfp8Args part_of(const LinearMxfp8Args& args, const Part& part) {
  LinearMxfp8Args result = with_codes(args, part);
  result.x_scale += part.row * (args.k / 32);
  result.weight += part.weight_row * args.k;
  result.weight_scale += part.weight_row * (args.k / 32);
  return result;
}

}  // namespace lowp::kernels
