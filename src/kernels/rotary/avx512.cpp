// A head of one token is a vector or two a half: it is read twice where it has a norm, else once.
#include <cmath>

#include "kernels/linear_common/avx512_vector_inl.h"
#include "kernels/rotary/implementations.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kGrainElements = 16384;

float norm_factor(const RotaryArgs& args, const Matrix& x, std::int64_t t) {
  __m512 squares = _mm512_setzero_ps();
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const __m512 value = load_lanes(x, t, i, first_lanes(x.cols - i));
    squares = _mm512_fmadd_ps(value, value, squares);
  }
  const float mean = _mm512_reduce_add_ps(squares) / static_cast<float>(x.cols);
  return 1.0F / std::sqrt(mean + args.epsilon);
}

// x * factor * (weight + offset), or x without a norm.
struct Norm {
  Matrix weight;
  __m512 factor;
  __m512 offset;

  __m512 apply(__m512 x, std::int64_t i, __mmask16 mask) const {
    if (weight.data == nullptr) return x;
    const __m512 w = _mm512_add_ps(load_lanes(weight, 0, i, mask), offset);
    return _mm512_mul_ps(_mm512_mul_ps(x, factor), w);
  }
};

void rotate_token(const RotaryArgs& args, const Matrix& x, const Matrix& weight, std::int64_t t,
                  const MutableMatrix& out) {
  const std::int64_t half = args.head_dim / 2;
  const float factor = weight.data == nullptr ? 1.0F : norm_factor(args, x, t);
  const Norm norm{weight, _mm512_set1_ps(factor), _mm512_set1_ps(args.weight_offset)};
  for (std::int64_t i = 0; i < half; i += kLanes) {
    const __mmask16 mask = first_lanes(half - i);
    const __m512 a = norm.apply(load_lanes(x, t, i, mask), i, mask);
    const __m512 b = norm.apply(load_lanes(x, t, i + half, mask), i + half, mask);
    const __m512 cos = _mm512_maskz_loadu_ps(mask, args.cos + t * half + i);
    const __m512 sin = _mm512_maskz_loadu_ps(mask, args.sin + t * half + i);
    store_lanes(out, t, i, mask, _mm512_fmsub_ps(a, cos, _mm512_mul_ps(b, sin)));
    store_lanes(out, t, i + half, mask, _mm512_fmadd_ps(b, cos, _mm512_mul_ps(a, sin)));
  }
}

void copy_token(const Matrix& x, std::int64_t t, const MutableMatrix& out) {
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const __mmask16 mask = first_lanes(x.cols - i);
    store_lanes(out, t, i, mask, load_lanes(x, t, i, mask));
  }
}

}  // namespace

void rotary_avx512(const RotaryArgs& args) {
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

}  // namespace lowp::kernels
