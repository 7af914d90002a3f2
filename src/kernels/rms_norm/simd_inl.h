// Two passes over a row that stays in L1: squares, then the product.
// A file of one ISA level includes its vectors first.
#pragma once

#include <cmath>

#include "kernels/rms_norm/implementations.h"

namespace lowp::kernels {
namespace {

// Some microseconds of work: below it a second thread costs more than it saves.
constexpr std::int64_t kGrainElements = 16384;

inline Matrix readable(const MutableMatrix& matrix) {
  return {matrix.data, matrix.dtype, matrix.rows, matrix.cols, matrix.stride};
}

inline float sum_of_squares(const Matrix& x, std::int64_t row) {
  Floats sum = broadcast(0.0F);
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const Floats value = load_lanes(x, row, i, first_lanes(x.cols - i));
    sum = multiply_add(value, value, sum);
  }
  return sum_of_lanes(sum);
}

inline void add_to_residual(const RmsNormArgs& args, std::int64_t row) {
  const Matrix old = readable(args.residual);
  for (std::int64_t i = 0; i < args.x.cols; i += kLanes) {
    const Lanes lanes = first_lanes(args.x.cols - i);
    store_lanes(args.residual, row, i, lanes,
                add(load_lanes(old, row, i, lanes), load_lanes(args.x, row, i, lanes)));
  }
}

inline void normalize_row(const RmsNormArgs& args, const Matrix& x, std::int64_t row) {
  const float mean = sum_of_squares(x, row) / static_cast<float>(x.cols);
  const Floats factor = broadcast(1.0F / std::sqrt(mean + args.epsilon));
  const Floats offset = broadcast(args.weight_offset);
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const Lanes lanes = first_lanes(x.cols - i);
    const Floats weight = add(load_lanes(args.weight, 0, i, lanes), offset);
    const Floats scaled = multiply(load_lanes(x, row, i, lanes), factor);
    store_lanes(args.out, row, i, lanes, multiply(scaled, weight));
  }
}

inline void run_on_vectors(const RmsNormArgs& args) {
  const bool adds = args.residual.data != nullptr;
  const Matrix x = adds ? readable(args.residual) : args.x;
  const std::int64_t grain = kGrainElements / (x.cols + 1) + 1;
  parallel_for(args.parallel, x.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      if (adds) add_to_residual(args, row);
      normalize_row(args, x, row);
    }
  });
}

}  // namespace
}  // namespace lowp::kernels
