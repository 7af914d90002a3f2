#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "lowp/models/generation.h"

namespace lowp::models {

// Draws tokens from logits; the same seed and logits give the same tokens.
class Sampler {
 public:
  // Throws lowp::Error for a negative temperature or top_k, and a top_p outside (0, 1].
  explicit Sampler(const Sampling& sampling);

  bool is_greedy() const { return sampling_.temperature == 0.0; }

  // logits: one a token of the vocabulary. Of equal ones the first counts as more likely.
  std::int64_t operator()(std::span<const float> logits);

 private:
  struct Candidate {
    float logit;
    std::int64_t token;
    double weight;  // exp((logit - largest) / temperature)
  };
  static bool less_likely(const Candidate& a, const Candidate& b);
  std::int64_t draw(std::span<const float> logits);
  double total_weight() const;
  void keep_top_k();
  void keep_top_p();

  Sampling sampling_;
  std::mt19937_64 random_;
  std::vector<Candidate> candidates_;
};

}  // namespace lowp::models
