// Perplexity and distance from a reference model over the windows of a text.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "lowp/models/causal_lm.h"

namespace lowp::cli {

// What was measured over all scored positions.
struct Accuracy {
  std::int64_t positions = 0;
  double perplexity = 0.0;  // exp of the mean negative log-likelihood
  double error = 0.0;       // of the perplexity: one standard error of that mean, carried over
  double kl_mean = 0.0;     // nats
  double kl_p99 = 0.0;
  double top1 = 0.0;  // share of positions whose most likely token is the reference's
};

class AccuracyMeter {
 public:
  // logits (T, V) of a window and its ids (T); reference (T, V) or undefined. Position t predicts
  // id t + 1: all but the first id are scored.
  void add(const torch::Tensor& logits, const torch::Tensor& reference, const torch::Tensor& ids);
  Accuracy result() const;

 private:
  std::vector<float> negative_log_likelihood_;
  std::vector<float> divergence_;
  std::int64_t same_top_ = 0;
};

}  // namespace lowp::cli
