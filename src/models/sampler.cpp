#include "models/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lowp/error.h"

namespace lowp::models {

Sampler::Sampler(const Sampling& sampling) : sampling_(sampling), random_(sampling.seed) {
  if (!(sampling.temperature >= 0.0) || !std::isfinite(sampling.temperature)) {
    throw Error(fmt::format("[generate] bad temperature, got {}, expected 0 or more",
                            sampling.temperature));
  }
  if (sampling.top_k < 0) {
    throw Error(fmt::format("[generate] bad top_k, got {}, expected 0 or more", sampling.top_k));
  }
  if (!(sampling.top_p > 0.0 && sampling.top_p <= 1.0)) {
    throw Error(fmt::format("[generate] bad top_p, got {}, expected more than 0, at most 1",
                            sampling.top_p));
  }
}

std::int64_t Sampler::operator()(std::span<const float> logits) {
  const auto largest = std::max_element(logits.begin(), logits.end());
  if (std::any_of(logits.begin(), logits.end(), [](float x) { return std::isnan(x); })) {
    throw Error("[generate] the model gave NaN logits");
  }
  return sampling_.temperature == 0.0 ? largest - logits.begin() : draw(logits);
}

std::int64_t Sampler::draw(std::span<const float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  candidates_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double above = (static_cast<double>(logits[i]) - largest) / sampling_.temperature;
    candidates_.push_back({logits[i], static_cast<std::int64_t>(i), std::exp(above)});
  }
  // top_p is a share of the mass that top_k leaves, as in transformers.
  keep_top_k();
  keep_top_p();
  double left = std::uniform_real_distribution<double>(0.0, total_weight())(random_);
  for (const Candidate& candidate : candidates_) {
    left -= candidate.weight;
    if (left < 0.0) return candidate.token;
  }
  return candidates_.back().token;
}

bool Sampler::less_likely(const Candidate& a, const Candidate& b) {
  return a.logit < b.logit || (a.logit == b.logit && a.token > b.token);
}

double Sampler::total_weight() const {
  double total = 0.0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  return total;
}

void Sampler::keep_top_k() {
  const auto k = static_cast<std::size_t>(sampling_.top_k);
  if (k == 0 || k >= candidates_.size()) return;
  std::nth_element(candidates_.begin(), candidates_.begin() + sampling_.top_k, candidates_.end(),
                   [](const Candidate& a, const Candidate& b) { return less_likely(b, a); });
  candidates_.resize(k);
}

// Candidates come off a heap until their mass suffices: far fewer than a sort would order.
void Sampler::keep_top_p() {
  if (sampling_.top_p == 1.0) return;
  const double enough = sampling_.top_p * total_weight();
  std::make_heap(candidates_.begin(), candidates_.end(), less_likely);
  auto rest_end = candidates_.end();
  for (double kept = 0.0; kept < enough && rest_end != candidates_.begin();
       kept += rest_end->weight) {
    std::pop_heap(candidates_.begin(), rest_end--, less_likely);
  }
  candidates_.erase(candidates_.begin(), rest_end);
}

}  // namespace lowp::models
