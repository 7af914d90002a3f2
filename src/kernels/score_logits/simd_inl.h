// Two passes over a row: the largest logits, then the sums. Nothing is stored in between.
// A file of one ISA level includes its vectors first.
#pragma once

#include <cmath>

#include "kernels/runtime/exp_inl.h"
#include "kernels/score_logits/implementations.h"

namespace lowp::kernels {
namespace {

struct Top {
  float value;
  std::int64_t index;
};

inline Top top(const Matrix& x, std::int64_t row) {
  Floats best = broadcast(-INFINITY);
  Ints step = broadcast(0);  // of kLanes, where each lane's best was
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const Lanes lanes = first_lanes(x.cols - i);
    const Floats value = load_lanes(x, row, i, lanes);
    const auto better = not_at_most(lanes, value, best);  // NaN counts as better
    best = select(better, value, best);
    step = select(better, broadcast(static_cast<std::int32_t>(i / kLanes)), step);
  }
  alignas(64) float values[kLanes];
  alignas(64) std::int32_t steps[kLanes];
  store_floats(values, best);
  store_ints(steps, step);
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
  Floats q[4];         // exp(logits - largest)
  Floats p[4];         // exp(reference - largest)
  Floats weighted[4];  // p * ((reference - largest) - (logits - largest))
};

inline float total(const Floats* parts) {
  return sum_of_lanes(add(add(parts[0], parts[1]), add(parts[2], parts[3])));
}

inline float sum_exp(const Matrix& x, std::int64_t row, float largest) {
  Floats sums[4] = {};
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const Lanes lanes = first_lanes(x.cols - i);
    const Floats below = subtract(load_lanes(x, row, i, lanes), broadcast(largest));
    Floats& sum = sums[i / kLanes % 4];
    sum = select(lanes, add(sum, exp_lanes(below)), sum);
  }
  return total(sums);
}

inline void score_target(const ScoreLogitsArgs& args, std::int64_t row, float largest, float sum) {
  const float logit = sum_of_lanes(
      load_lanes(args.logits, row, args.targets[row], first_lanes(1)));  // the others are 0
  args.negative_log_likelihood[row] = std::log(sum) - (logit - largest);
}

// With both maxima taken off, the terms are small where p is large: no cancellation.
inline void compare(const ScoreLogitsArgs& args, std::int64_t row, const Top& top_q) {
  const Top top_p = top(args.reference, row);
  Sums sums{};
  for (std::int64_t i = 0; i < args.logits.cols; i += kLanes) {
    const Lanes lanes = first_lanes(args.logits.cols - i);
    const Floats q = subtract(load_lanes(args.logits, row, i, lanes), broadcast(top_q.value));
    const Floats p = subtract(load_lanes(args.reference, row, i, lanes), broadcast(top_p.value));
    const Floats weight = exp_lanes(p);
    const std::int64_t part = i / kLanes % 4;
    sums.q[part] = select(lanes, add(sums.q[part], exp_lanes(q)), sums.q[part]);
    sums.p[part] = select(lanes, add(sums.p[part], weight), sums.p[part]);
    const Floats weighted = multiply_add(weight, subtract(p, q), sums.weighted[part]);
    sums.weighted[part] = select(lanes, weighted, sums.weighted[part]);
  }
  const float sum_q = total(sums.q), sum_p = total(sums.p);
  args.divergence[row] = total(sums.weighted) / sum_p + std::log(sum_q / sum_p);
  args.same_top[row] = top_q.index == top_p.index ? 1 : 0;
  score_target(args, row, top_q.value, sum_q);
}

inline void run_on_vectors(const ScoreLogitsArgs& args) {
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

}  // namespace
}  // namespace lowp::kernels
