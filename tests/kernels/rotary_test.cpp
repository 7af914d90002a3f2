#include "kernels/rotary/rotary.h"

#include "decoder_testing.h"

namespace lowp::kernels {
namespace {

using Rotary = DecoderOperation<RotaryArgs>;

constexpr std::int64_t kTokens = 3, kHeads = 4, kKvHeads = 2, kCapacity = 5;

struct Case {
  Case(DType dtype, std::int64_t d, bool norm)
      : d(d),
        q(dtype, kTokens, kHeads * d, 3),
        k(dtype, kTokens, kKvHeads * d),
        v(dtype, kTokens, kKvHeads * d, 1),
        q_weight(dtype, 1, d),
        k_weight(dtype, 1, d),
        q_out(dtype, kTokens, kHeads * d, 2),
        k_cache(dtype, kKvHeads * kCapacity, d),
        v_cache(dtype, kKvHeads * kCapacity, d) {
    Buffer* inputs[] = {&q, &k, &v, &q_weight, &k_weight};
    for (unsigned i = 0; i < 5; ++i) inputs[i]->fill_normal(i);
    for (std::int64_t i = 0; i < kTokens * d / 2; ++i) {
      cos.push_back(static_cast<float>(std::cos(0.3 * static_cast<double>(i))));
      sin.push_back(static_cast<float>(std::sin(0.3 * static_cast<double>(i))));
    }
    const std::int64_t bytes = bits(dtype) / 8;
    const auto slots = [&](Buffer& cache) {  // the new tokens are at positions 1 to 3
      return CacheSlots{static_cast<char*>(cache.data()) + d * bytes, dtype, kCapacity * d};
    };
    args = {.q = q.matrix(),
            .k = k.matrix(),
            .v = v.matrix(),
            .head_dim = d,
            .cos = cos.data(),
            .sin = sin.data(),
            .q_weight = norm ? q_weight.matrix() : Matrix{},
            .k_weight = norm ? k_weight.matrix() : Matrix{},
            .epsilon = 1e-3F,
            .weight_offset = norm ? 1.0F : 0.0F,
            .q_out = q_out.mutable_matrix(),
            .k_out = slots(k_cache),
            .v_out = slots(v_cache),
            .parallel = nullptr};
  }

  // Element i of head h of token t after norm and rotation.
  double expected(Buffer& x, Buffer& weight, std::int64_t t, std::int64_t h, std::int64_t i) const {
    double squares = 0.0;
    for (std::int64_t j = 0; j < d; ++j) squares += std::pow(x.at(t, h * d + j), 2);
    const bool norm = args.q_weight.data != nullptr;
    const double factor =
        norm ? 1.0 / std::sqrt(squares / static_cast<double>(d) + args.epsilon) : 1.0;
    const auto value = [&](std::int64_t j) {
      return x.at(t, h * d + j) * factor * (norm ? weight.at(0, j) + args.weight_offset : 1.0);
    };
    const std::int64_t half = d / 2, j = i % half;
    const double c = cos[t * half + j], s = sin[t * half + j];
    return i < half ? value(j) * c - value(j + half) * s : value(j + half) * c + value(j) * s;
  }

  std::int64_t d;
  Buffer q, k, v, q_weight, k_weight, q_out, k_cache, v_cache;
  std::vector<float> cos, sin;
  RotaryArgs args;
};

TEST_P(Rotary, RotatesQueriesAndFillsTheCache) {
  for (const bool norm : {false, true}) {
    for (const std::int64_t d : {2, 24, 64, 128}) {
      Case c(dtype(), d, norm);
      const float untouched = c.k_cache.at(0, 0);
      run(c.args, rotary_implementations());
      for (std::int64_t t = 0; t < kTokens; ++t) {
        for (std::int64_t i = 0; i < d; ++i) {
          // Both terms may cancel: values are at most about 10.
          const double bound = 10.0 * (epsilon(dtype()) + static_cast<double>(d) * 0x1p-24);
          for (std::int64_t h = 0; h < kHeads; ++h) {
            EXPECT_NEAR(c.q_out.at(t, h * d + i), c.expected(c.q, c.q_weight, t, h, i), bound);
          }
          for (std::int64_t h = 0; h < kKvHeads; ++h) {
            const std::int64_t row = h * kCapacity + 1 + t;
            EXPECT_NEAR(c.k_cache.at(row, i), c.expected(c.k, c.k_weight, t, h, i), bound);
            EXPECT_EQ(c.v_cache.at(row, i), c.v.at(t, h * d + i));
          }
        }
      }
      for (std::int64_t h = 0; h < kKvHeads; ++h) {
        for (const std::int64_t row : {h * kCapacity, h * kCapacity + 4}) {
          EXPECT_EQ(c.k_cache.at(row, d - 1), untouched);
          EXPECT_EQ(c.v_cache.at(row, 0), untouched);
        }
      }
      EXPECT_TRUE(c.q_out.padding_is_untouched());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Rotary,
                         testing::Combine(testing::ValuesIn(rotary_implementations().begin(),
                                                            rotary_implementations().end()),
                                          testing::ValuesIn(kFloats)),
                         [](const auto& info) { return test_name(info); });

}  // namespace
}  // namespace lowp::kernels
