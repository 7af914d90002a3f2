#include <cmath>

#include "kernels/runtime/element.h"
#include "kernels/score_logits/implementations.h"

namespace lowp::kernels {
namespace {

std::int64_t top(const Matrix& logits, std::int64_t row) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < logits.cols; ++i) {
    if (load_element(logits, row, i) > load_element(logits, row, best)) best = i;
  }
  return best;
}

double log_sum_exp(const Matrix& logits, std::int64_t row) {
  const double largest = load_element(logits, row, top(logits, row));
  double sum = 0.0;
  for (std::int64_t i = 0; i < logits.cols; ++i) {
    sum += std::exp(load_element(logits, row, i) - largest);
  }
  return largest + std::log(sum);
}

}  // namespace

void score_logits_reference(const ScoreLogitsArgs& args) {
  for (std::int64_t row = 0; row < args.logits.rows; ++row) {
    const double log_q = log_sum_exp(args.logits, row);
    const double target = load_element(args.logits, row, args.targets[row]);
    args.negative_log_likelihood[row] = static_cast<float>(log_q - target);
    if (args.reference.data == nullptr) continue;
    const double log_p = log_sum_exp(args.reference, row);
    double divergence = 0.0;
    for (std::int64_t i = 0; i < args.logits.cols; ++i) {
      const double p = load_element(args.reference, row, i) - log_p;
      divergence += std::exp(p) * (p - (load_element(args.logits, row, i) - log_q));
    }
    args.divergence[row] = static_cast<float>(divergence);
    args.same_top[row] = top(args.logits, row) == top(args.reference, row) ? 1 : 0;
  }
}

}  // namespace lowp::kernels
