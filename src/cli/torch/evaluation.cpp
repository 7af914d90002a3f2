#include "cli/torch/evaluation.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <cmath>

namespace lowp::cli {
namespace {

using ScoreLogits = std::tuple<torch::Tensor, torch::Tensor, torch::Tensor>(
    const torch::Tensor& logits, const torch::Tensor& targets,
    const std::optional<torch::Tensor>& reference);

std::vector<float> to_vector(const torch::Tensor& values) {
  const torch::Tensor flat = values.to(torch::kCPU, torch::kFloat32).contiguous();
  const float* begin = flat.const_data_ptr<float>();
  return {begin, begin + flat.numel()};
}

double mean(const std::vector<float>& values) {
  double sum = 0.0;
  for (const float value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double standard_error(const std::vector<float>& values, double mean) {
  double squares = 0.0;
  for (const float value : values) squares += (value - mean) * (value - mean);
  const auto count = static_cast<double>(values.size());
  return count > 1 ? std::sqrt(squares / (count - 1.0) / count) : 0.0;
}

// The smallest value that at least 99 % of the values do not exceed.
double percentile_99(std::vector<float> values) {
  const auto rank = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(values.size())));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

}  // namespace

void AccuracyMeter::add(const torch::Tensor& logits, const torch::Tensor& reference,
                        const torch::Tensor& ids) {
  static const auto score_logits =
      c10::Dispatcher::singleton().findSchemaOrThrow("lowp::score_logits", "").typed<ScoreLogits>();
  const std::int64_t rows = ids.size(0) - 1;
  std::optional<torch::Tensor> reference_rows;
  if (reference.defined()) reference_rows = reference.narrow(0, 0, rows);
  const auto [likelihood, divergence, same_top] = score_logits.call(
      logits.narrow(0, 0, rows), ids.narrow(0, 1, rows).to(logits.device()), reference_rows);
  const std::vector<float> losses = to_vector(likelihood);
  negative_log_likelihood_.insert(negative_log_likelihood_.end(), losses.begin(), losses.end());
  if (!reference.defined()) return;
  const std::vector<float> distances = to_vector(divergence);
  divergence_.insert(divergence_.end(), distances.begin(), distances.end());
  same_top_ += same_top.sum().item<std::int64_t>();
}

Accuracy AccuracyMeter::result() const {
  Accuracy accuracy;
  accuracy.positions = static_cast<std::int64_t>(negative_log_likelihood_.size());
  if (accuracy.positions == 0) return accuracy;
  const double loss = mean(negative_log_likelihood_);
  accuracy.perplexity = std::exp(loss);
  accuracy.error = accuracy.perplexity * standard_error(negative_log_likelihood_, loss);
  if (divergence_.empty()) return accuracy;
  accuracy.kl_mean = mean(divergence_);
  accuracy.kl_p99 = percentile_99(divergence_);
  accuracy.top1 = static_cast<double>(same_top_) / static_cast<double>(accuracy.positions);
  return accuracy;
}

}  // namespace lowp::cli
