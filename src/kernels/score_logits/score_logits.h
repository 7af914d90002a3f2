#pragma once

#include <cstdint>
#include <span>

#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// How well each row of logits predicts its token and agrees with a reference model. With p =
// softmax(reference) and q = softmax(logits), in fp32:
//   negative_log_likelihood[m] = -log q[target]
//   divergence[m]              = sum_v p[v] log(p[v] / q[v])      (Kullback-Leibler, nats)
//   same_top[m]                = 1 if both have the same most likely token, of equal ones the first
// NaN in a row makes its numbers NaN.
struct ScoreLogitsArgs {
  Matrix logits;                // (M, V)
  Matrix reference;             // (M, V), or data nullptr: no divergence, no same_top
  const std::int64_t* targets;  // (M), each in [0, V)
  float* negative_log_likelihood;
  float* divergence;
  std::uint8_t* same_top;
  const ParallelFor* parallel;
};

void score_logits(const ScoreLogitsArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<ScoreLogitsArgs>> score_logits_implementations();

}  // namespace lowp::kernels
