// A head of one token is a vector or two a half: it is read twice where it has a norm, else once.
// A file of one ISA level includes its vectors first.
#pragma once

#include <cmath>

#include "kernels/rotary/implementations.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kGrainElements = 16384;

inline float norm_factor(const RotaryArgs& args, const Matrix& x, std::int64_t t) {
  Floats squares = broadcast(0.0F);
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const Floats value = load_lanes(x, t, i, first_lanes(x.cols - i));
    squares = multiply_add(value, value, squares);
  }
  const float mean = sum_of_lanes(squares) / static_cast<float>(x.cols);
  return 1.0F / std::sqrt(mean + args.epsilon);
}

// x * factor * (weight + offset), or x without a norm.
struct Norm {
  Matrix weight;
  Floats factor;
  Floats offset;

  Floats apply(Floats x, std::int64_t i, Lanes lanes) const {
    if (weight.data == nullptr) return x;
    const Floats w = add(load_lanes(weight, 0, i, lanes), offset);
    return multiply(multiply(x, factor), w);
  }
};

inline void rotate_token(const RotaryArgs& args, const Matrix& x, const Matrix& weight,
                         std::int64_t t, const MutableMatrix& out) {
  const std::int64_t half = args.head_dim / 2;
  const float factor = weight.data == nullptr ? 1.0F : norm_factor(args, x, t);
  const Norm norm{weight, broadcast(factor), broadcast(args.weight_offset)};
  for (std::int64_t i = 0; i < half; i += kLanes) {
    const Lanes lanes = first_lanes(half - i);
    const Floats a = norm.apply(load_lanes(x, t, i, lanes), i, lanes);
    const Floats b = norm.apply(load_lanes(x, t, i + half, lanes), i + half, lanes);
    const Floats cos = load_floats(args.cos + t * half + i, lanes);
    const Floats sin = load_floats(args.sin + t * half + i, lanes);
    store_lanes(out, t, i, lanes, multiply_subtract(a, cos, multiply(b, sin)));
    store_lanes(out, t, i + half, lanes, multiply_add(b, cos, multiply(a, sin)));
  }
}

inline void copy_token(const Matrix& x, std::int64_t t, const MutableMatrix& out) {
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const Lanes lanes = first_lanes(x.cols - i);
    store_lanes(out, t, i, lanes, load_lanes(x, t, i, lanes));
  }
}

inline void run_on_vectors(const RotaryArgs& args) {
  const std::int64_t d = args.head_dim, tokens = args.q.rows;
  const std::int64_t q_heads = args.q.cols / d, kv_heads = args.k.cols / d;
  const std::int64_t grain = kGrainElements / (args.q.cols + 2 * args.k.cols) + 1;
  parallel_for(args.parallel, tokens, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      for (std::int64_t head = 0; head < q_heads; ++head) {
        rotate_token(args, head_of(args.q, head, d), args.q_weight, t,
                     head_of(args.q_out, head, d));
      }
      for (std::int64_t head = 0; head < kv_heads; ++head) {
        rotate_token(args, head_of(args.k, head, d), args.k_weight, t,
                     head_of(args.k_out, head, tokens, d));
        copy_token(head_of(args.v, head, d), t, head_of(args.v_out, head, tokens, d));
      }
    }
  });
}

}  // namespace
}  // namespace lowp::kernels
