#include "kernels/attention_decode/attention_decode.h"

#include "decoder_testing.h"

namespace lowp::kernels {
namespace {

using AttentionDecode = DecoderOperation<AttentionDecodeArgs>;

struct Case {
  Case(DType dtype, std::int64_t heads, std::int64_t kv_heads, std::int64_t d,
       std::int64_t positions, float deviation = 1.0F)
      : capacity(positions + 2),
        q(dtype, heads, d),
        keys(dtype, kv_heads * capacity, d),
        values(dtype, kv_heads * capacity, d),
        out(dtype, heads, d, 3) {
    q.fill_normal(1, deviation);
    keys.fill_normal(2, deviation);
    values.fill_normal(3);
    args = {.q = q.matrix(),
            .keys = keys.data(),
            .values = values.data(),
            .head_stride = capacity * d,
            .kv_heads = kv_heads,
            .positions = positions,
            .scale = 0.2F,
            .out = out.mutable_matrix(),
            .parallel = nullptr};
  }

  std::vector<double> expected(std::int64_t h) {
    const std::int64_t first = h / (args.q.rows / args.kv_heads) * capacity, d = args.q.cols;
    std::vector<double> scores, sum(d, 0.0);
    double largest = -INFINITY, total = 0.0;
    for (std::int64_t s = 0; s < args.positions; ++s) {
      double dot = 0.0;
      for (std::int64_t i = 0; i < d; ++i) {
        dot += static_cast<double>(q.at(h, i)) * keys.at(first + s, i);
      }
      scores.push_back(dot * args.scale);
      largest = std::max(largest, scores.back());
    }
    for (std::int64_t s = 0; s < args.positions; ++s) {
      const double weight = std::exp(scores[s] - largest);
      total += weight;
      for (std::int64_t i = 0; i < d; ++i) sum[i] += weight * values.at(first + s, i);
    }
    for (double& x : sum) x /= total;
    return sum;
  }

  std::int64_t capacity;
  Buffer q, keys, values, out;
  AttentionDecodeArgs args;
};

// 1 to 5 heads that share keys and values.
TEST_P(AttentionDecode, EqualsTheFormula) {
  for (const std::int64_t d : {16, 24, 64, 80, 128}) {
    for (const std::int64_t positions : {1, 15, 16, 63, 64, 65, 130}) {
      const std::int64_t share = 1 + (positions + d) % 5;
      Case c(dtype(), 2 * share, 2, d, positions);
      run(c.args, attention_decode_implementations());
      for (std::int64_t h = 0; h < 2 * share; ++h) {
        const std::vector<double> expected = c.expected(h);
        for (std::int64_t i = 0; i < d; ++i) {
          // Scores of up to about 20 carry d roundings into the exponent.
          const double bound = 4.0 * (epsilon(dtype()) + static_cast<double>(d) * 20.0 * 0x1p-24);
          EXPECT_NEAR(c.out.at(h, i), expected[i], bound)
              << "head " << h << ", " << positions << " positions, head_dim " << d;
        }
      }
      EXPECT_TRUE(c.out.padding_is_untouched());
    }
  }
}

// Scores far apart: a late maximum wipes out what was summed before it.
TEST_P(AttentionDecode, LargeScoresNeitherOverflowNorLoseTheMaximum) {
  Case c(dtype(), 1, 1, 16, 130);
  for (std::int64_t s = 0; s < 130; ++s) {
    for (std::int64_t i = 0; i < 16; ++i) c.keys.set(s, i, s == 129 ? 100.0F : -100.0F);
  }
  for (std::int64_t i = 0; i < 16; ++i) c.q.set(0, i, 50.0F);
  run(c.args, attention_decode_implementations());
  for (std::int64_t i = 0; i < 16; ++i) EXPECT_EQ(c.out.at(0, i), c.values.at(129, i));
}

INSTANTIATE_TEST_SUITE_P(
    All, AttentionDecode,
    testing::Combine(testing::ValuesIn(attention_decode_implementations().begin(),
                                       attention_decode_implementations().end()),
                     testing::ValuesIn(kFloats)),
    [](const auto& info) { return test_name(info); });

}  // namespace
}  // namespace lowp::kernels
