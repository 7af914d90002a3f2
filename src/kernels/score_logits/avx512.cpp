// Two passes over a row: the largest logits, then the sums. Nothing is stored in between.
#include <cmath>

#include "kernels/linear_common/avx512_vector_inl.h"
#include "kernels/runtime/exp_inl.h"
#include "kernels/score_logits/implementations.h"

namespace lowp::kernels {
namespace {

struct Top {
  float value;
  std::int64_t index;
};

Top top(const Matrix& x, std::int64_t row) {
  __m512 best = _mm512_set1_ps(-INFINITY);
  __m512i step = _mm512_setzero_si512();  // of kLanes, where each lane's best was
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const __mmask16 mask = first_lanes(x.cols - i);
    const __m512 value = load_lanes(x, row, i, mask);
    const __mmask16 better =
        _mm512_mask_cmp_ps_mask(mask, value, best, _CMP_NLE_UQ);  // NaN counts as better
    best = _mm512_mask_mov_ps(best, better, value);
    step = _mm512_mask_mov_epi32(step, better, _mm512_set1_epi32(static_cast<int>(i / kLanes)));
  }
  alignas(64) float values[kLanes];
  alignas(64) std::int32_t steps[kLanes];
  _mm512_store_ps(values, best);
  _mm512_store_si512(steps, step);
  Top result{values[0], steps[0] * kLanes};
  for (std::int64_t lane = 1; lane < kLanes; ++lane) {
    const std::int64_t index = steps[lane] * kLanes + lane;
    const bool earlier = values[lane] == result.value && index < result.index;
    if (!(values[lane] <= result.value) || earlier) result = {values[lane], index};
  }
  return result;
}

// Four partial sums hide the latency of the additions and halve the rounding error.
struct Sums {
  __m512 q[4];         // exp(logits - largest)
  __m512 p[4];         // exp(reference - largest)
  __m512 weighted[4];  // p * ((reference - largest) - (logits - largest))
};

float total(const __m512* parts) {
  return _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(parts[0], parts[1]), _mm512_add_ps(parts[2], parts[3])));
}

float sum_exp(const Matrix& x, std::int64_t row, float largest) {
  __m512 sums[4] = {};
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const __mmask16 mask = first_lanes(x.cols - i);
    const __m512 below = _mm512_sub_ps(load_lanes(x, row, i, mask), _mm512_set1_ps(largest));
    __m512& sum = sums[i / kLanes % 4];
    sum = _mm512_mask_add_ps(sum, mask, sum, exp_lanes(below));
  }
  return total(sums);
}

void score_target(const ScoreLogitsArgs& args, std::int64_t row, float largest, float sum) {
  const __m512 logit = load_lanes(args.logits, row, args.targets[row], first_lanes(1));
  args.negative_log_likelihood[row] = std::log(sum) - (_mm512_cvtss_f32(logit) - largest);
}

// With both maxima taken off, the terms are small where p is large: no cancellation.
void compare(const ScoreLogitsArgs& args, std::int64_t row, const Top& top_q) {
  const Top top_p = top(args.reference, row);
  Sums sums{};
  for (std::int64_t i = 0; i < args.logits.cols; i += kLanes) {
    const __mmask16 mask = first_lanes(args.logits.cols - i);
    const __m512 q =
        _mm512_sub_ps(load_lanes(args.logits, row, i, mask), _mm512_set1_ps(top_q.value));
    const __m512 p =
        _mm512_sub_ps(load_lanes(args.reference, row, i, mask), _mm512_set1_ps(top_p.value));
    const __m512 weight = exp_lanes(p);
    const std::int64_t part = i / kLanes % 4;
    sums.q[part] = _mm512_mask_add_ps(sums.q[part], mask, sums.q[part], exp_lanes(q));
    sums.p[part] = _mm512_mask_add_ps(sums.p[part], mask, sums.p[part], weight);
    sums.weighted[part] =
        _mm512_mask3_fmadd_ps(weight, _mm512_sub_ps(p, q), sums.weighted[part], mask);
  }
  const float sum_q = total(sums.q), sum_p = total(sums.p);
  args.divergence[row] = total(sums.weighted) / sum_p + std::log(sum_q / sum_p);
  args.same_top[row] = top_q.index == top_p.index ? 1 : 0;
  score_target(args, row, top_q.value, sum_q);
}

}  // namespace

void score_logits_avx512(const ScoreLogitsArgs& args) {
  parallel_for(args.parallel, args.logits.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const Top best = top(args.logits, row);
      if (args.reference.data != nullptr) {
        compare(args, row, best);
        continue;
      }
      score_target(args, row, best.value, sum_exp(args.logits, row, best.value));
    }
  });
}

}  // namespace lowp::kernels
