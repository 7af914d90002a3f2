#include <cmath>

#include "kernels/rotary/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

// 1 / sqrt(mean(x^2) + epsilon) of row t, or 1 without a norm.
float norm_factor(const RotaryArgs& args, const Matrix& x, const Matrix& weight, std::int64_t t) {
  if (weight.data == nullptr) return 1.0F;
  double squares = 0.0;
  for (std::int64_t i = 0; i < x.cols; ++i) {
    const double value = load_element(x, t, i);
    squares += value * value;
  }
  return 1.0F / std::sqrt(static_cast<float>(squares / static_cast<double>(x.cols)) + args.epsilon);
}

void rotate_head(const RotaryArgs& args, const Matrix& x, const Matrix& weight,
                 const MutableMatrix& out) {
  const std::int64_t half = args.head_dim / 2;
  for (std::int64_t t = 0; t < x.rows; ++t) {
    const float factor = norm_factor(args, x, weight, t);
    const auto normed = [&](std::int64_t i) {
      const float value = load_element(x, t, i) * factor;
      return weight.data == nullptr ? value
                                    : value * (load_element(weight, 0, i) + args.weight_offset);
    };
    for (std::int64_t i = 0; i < half; ++i) {
      const float a = normed(i), b = normed(i + half);
      const float cos = args.cos[t * half + i], sin = args.sin[t * half + i];
      store_element(out, t, i, a * cos - b * sin);
      store_element(out, t, i + half, b * cos + a * sin);
    }
  }
}

}  // namespace

void rotary_reference(const RotaryArgs& args) {
  const std::int64_t d = args.head_dim, tokens = args.q.rows;
  for (std::int64_t head = 0; head < args.q.cols / d; ++head) {
    rotate_head(args, head_of(args.q, head, d), args.q_weight, head_of(args.q_out, head, d));
  }
  for (std::int64_t head = 0; head < args.k.cols / d; ++head) {
    rotate_head(args, head_of(args.k, head, d), args.k_weight,
                head_of(args.k_out, head, tokens, d));
    const Matrix v = head_of(args.v, head, d);
    const MutableMatrix out = head_of(args.v_out, head, tokens, d);
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t i = 0; i < d; ++i) store_element(out, t, i, load_element(v, t, i));
    }
  }
}

}  // namespace lowp::kernels
