#include "kernels/score_logits/score_logits.h"

#include "decoder_testing.h"

namespace lowp::kernels {
namespace {

using ScoreLogits = DecoderOperation<ScoreLogitsArgs>;

struct Scores {
  explicit Scores(std::size_t rows) : likelihood(rows, -1), divergence(rows, -1), top(rows, 9) {}
  std::vector<float> likelihood, divergence;
  std::vector<std::uint8_t> top;
};

double log_sum_exp(Buffer& x, std::int64_t row, std::int64_t cols) {
  double largest = -INFINITY, sum = 0.0;
  for (std::int64_t i = 0; i < cols; ++i) largest = std::max<double>(largest, x.at(row, i));
  for (std::int64_t i = 0; i < cols; ++i) sum += std::exp(x.at(row, i) - largest);
  return largest + std::log(sum);
}

TEST_P(ScoreLogits, EqualsTheFormula) {
  for (const std::int64_t cols : {1, 5, 16, 1000}) {
    Buffer logits(dtype(), 3, cols, 3), reference(dtype(), 3, cols);
    logits.fill_normal(1, 4.0F);
    reference.fill_normal(2, 4.0F);
    const std::vector<std::int64_t> targets{0, cols - 1, cols / 2};
    Scores scores(3);
    run({logits.matrix(), reference.matrix(), targets.data(), scores.likelihood.data(),
         scores.divergence.data(), scores.top.data(), nullptr},
        score_logits_implementations());
    for (std::int64_t row = 0; row < 3; ++row) {
      const double log_q = log_sum_exp(logits, row, cols);
      const double log_p = log_sum_exp(reference, row, cols);
      EXPECT_NEAR(scores.likelihood[row], log_q - logits.at(row, targets[row]), 1e-5);
      double divergence = 0.0;
      for (std::int64_t i = 0; i < cols; ++i) {
        const double p = reference.at(row, i) - log_p;
        divergence += std::exp(p) * (p - logits.at(row, i) + log_q);
      }
      EXPECT_NEAR(scores.divergence[row], divergence, 2e-6 * (1.0 + divergence));
    }
  }
}

TEST_P(ScoreLogits, EqualLogitsHaveNoDivergence) {
  Buffer logits(dtype(), 1, 3000);
  logits.fill_normal(3, 5.0F);
  const std::int64_t target = 17;
  Scores scores(1);
  run({logits.matrix(), logits.matrix(), &target, scores.likelihood.data(),
       scores.divergence.data(), scores.top.data(), nullptr},
      score_logits_implementations());
  EXPECT_NEAR(scores.divergence[0], 0.0, 1e-12);
  EXPECT_EQ(scores.top[0], 1);
}

TEST_P(ScoreLogits, OfEqualLargestLogitsTheFirstIsTheTop) {
  Buffer logits(dtype(), 3, 100), reference(dtype(), 3, 100);
  for (std::int64_t row = 0; row < 3; ++row) {
    for (std::int64_t i = 0; i < 100; ++i) {
      logits.set(row, i, i == 20 || i == 33 ? 2.0F : -1.0F);
      reference.set(row, i, 0.0F);
    }
  }
  reference.set(0, 20, 1.0F);
  reference.set(1, 33, 1.0F);
  reference.set(2, 99, 1.0F);
  reference.set(2, 20, 1.0F);
  const std::vector<std::int64_t> targets{1, 2, 3};
  Scores scores(3);
  run({logits.matrix(), reference.matrix(), targets.data(), scores.likelihood.data(),
       scores.divergence.data(), scores.top.data(), nullptr},
      score_logits_implementations());
  EXPECT_EQ(scores.top, (std::vector<std::uint8_t>{1, 0, 1}));
}

TEST_P(ScoreLogits, WithoutAReferenceOnlyTheLikelihoodIsWritten) {
  Buffer logits(dtype(), 2, 50);
  logits.fill_normal(4);
  logits.set(1, 30, NAN);
  const std::vector<std::int64_t> targets{4, 5};
  Scores scores(2);
  run({logits.matrix(), {}, targets.data(), scores.likelihood.data(), nullptr, nullptr, nullptr},
      score_logits_implementations());
  EXPECT_NEAR(scores.likelihood[0], log_sum_exp(logits, 0, 50) - logits.at(0, 4), 1e-5);
  EXPECT_TRUE(std::isnan(scores.likelihood[1]));
  EXPECT_EQ(scores.divergence[0], -1.0F);
}

INSTANTIATE_TEST_SUITE_P(All, ScoreLogits,
                         testing::Combine(testing::ValuesIn(score_logits_implementations().begin(),
                                                            score_logits_implementations().end()),
                                          testing::ValuesIn(kFloats)),
                         [](const auto& info) { return test_name(info); });

}  // namespace
}  // namespace lowp::kernels
