#include "schemes/quantized_weight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "formats/bf16.h"
#include "kernels/runtime/thread_pool.h"
#include "lowp/error.h"
#include "schemes/distortion.h"
#include "schemes/linear_names.h"

namespace lowp {
namespace {

using kernels::Matrix;
using testing::HasSubstr;

constexpr std::int64_t kRows = 200;  // two blocks of 128, one cut
constexpr std::int64_t kCols = 256;

struct Weight {
  std::vector<std::uint16_t> bits;

  Weight() : bits(kRows * kCols) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal(0, 0.02F);
    for (auto& value : bits) value = Bf16::from_float(normal(random));
  }
  Matrix matrix() const { return {bits.data(), DType::kBF16, kRows, kCols, kCols}; }
  float at(std::int64_t i) const { return Bf16::to_float(bits[static_cast<std::size_t>(i)]); }
};

std::vector<float> dequantized(const QuantizedWeight& weight) {
  std::vector<float> out(static_cast<std::size_t>(weight.n * weight.k));
  dequantize_weight(weight, {out.data(), DType::kF32, weight.n, weight.k, weight.k});
  return out;
}

// SQNR in dB that a scheme reaches on normal data: bits of its codes give its order.
double expected_sqnr(const Scheme& scheme) {
  switch (scheme.weight) {
    case WeightFormat::kInt8:
      return 40;
    case WeightFormat::kFp8:
    case WeightFormat::kMxfp8:
      return 30;
    case WeightFormat::kIntx:
      return 6 * scheme.bits - 8;
    case WeightFormat::kMxfp6E2m3:
      return 29;
    case WeightFormat::kMxfp6E3m2:
      return 24;
    default:
      return 17;
  }
}

class EveryScheme : public testing::TestWithParam<std::string> {};

TEST_P(EveryScheme, ErrorIsOfItsOrderAndDistortionCountsIt) {
  const Scheme& scheme = scheme_from_name(GetParam());
  const Weight source;
  const QuantizedWeight weight = quantize_weight(scheme, source.matrix());
  const std::vector<float> values = dequantized(weight);
  double signal = 0;
  double noise = 0;
  for (std::int64_t i = 0; i < kRows * kCols; ++i) {
    const double error = source.at(i) - values[static_cast<std::size_t>(i)];
    signal += static_cast<double>(source.at(i)) * source.at(i);
    noise += error * error;
  }
  const Distortion result = distortion(weight, source.matrix());
  EXPECT_NEAR(result.signal, signal, 1e-9 * signal);
  EXPECT_NEAR(result.noise, noise, 1e-9 * noise);
  EXPECT_EQ(result.count, kRows * kCols);
  EXPECT_GT(result.sqnr_db(), expected_sqnr(scheme));
  EXPECT_EQ(result.non_finite, 0);
  EXPECT_EQ(result.bad_values, 0);
}

TEST_P(EveryScheme, RowsAloneAreTheRowsOfTheWhole) {
  const QuantizedWeight weight = quantize_weight(scheme_from_name(GetParam()), Weight().matrix());
  const std::vector<float> whole = dequantized(weight);
  for (const auto& [begin, rows] :
       {std::pair<std::int64_t, std::int64_t>{0, 5}, {128, 72}, {130, 7}}) {
    std::vector<float> part(static_cast<std::size_t>(rows * kCols));
    dequantize_weight_rows(weight, begin, {part.data(), DType::kF32, rows, kCols, kCols});
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + begin * kCols));
  }
}

TEST_P(EveryScheme, ThreadsAndPartsGiveTheSameBits) {
  const Scheme& scheme = scheme_from_name(GetParam());
  const Weight source;
  const QuantizedWeight whole = quantize_weight(scheme, source.matrix());
  const kernels::ThreadPool pool(3);
  EXPECT_EQ(quantize_weight(scheme, source.matrix(), pool.parallel_for()).codes, whole.codes);
  // In two parts, with the amax of the whole for the schemes that have one scale a tensor.
  std::vector<std::uint8_t> codes;
  QuantizedWeight part;  // its buffers are reused
  for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 128}, {128, kRows}}) {
    const Matrix rows{source.bits.data() + begin * kCols, DType::kBF16, end - begin, kCols, kCols};
    quantize_weight_into(part, scheme, rows, nullptr,
                         {.scale_dtype = {}, .amax = amax(source.matrix())});
    codes.insert(codes.end(), part.codes.begin(), part.codes.end());
  }
  EXPECT_EQ(codes, whole.codes);
  EXPECT_EQ(part.tensor_scale, whole.tensor_scale);
}

TEST_P(EveryScheme, WeightsThatDoNotFitAreRefused) {
  const Scheme& scheme = scheme_from_name(GetParam());
  const std::vector<float> data(16);
  EXPECT_THROW(quantize_weight(scheme, {data.data(), DType::kF32, 0, 16, 16}), Error);
  EXPECT_THROW(quantize_weight(scheme, {data.data(), DType::kI32, 1, 16, 16}), Error);
  if (scheme.granularity == Granularity::kGroup) {
    EXPECT_THROW(quantize_weight(scheme, {data.data(), DType::kF32, 1, 8, 8}), Error);
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Scheme& scheme : schemes()) all.emplace_back(scheme.name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Schemes, EveryScheme, testing::ValuesIn(names()));

TEST(Nvfp4, ReciprocalScaleDivides) {
  const Weight source;
  QuantizedWeight weight = quantize_weight(scheme_from_name("NVFP4"), source.matrix());
  const std::vector<float> multiplied = dequantized(weight);
  weight.reciprocal_tensor_scale = 1 / weight.tensor_scale;
  const std::vector<float> divided = dequantized(weight);
  bool differs = false;
  for (std::size_t i = 0; i < divided.size(); ++i) {
    // One rounding more, and that of the reciprocal: 3 half units of the last place.
    EXPECT_NEAR(divided[i], multiplied[i], std::abs(multiplied[i]) * 3 * 0x1p-24);
    EXPECT_EQ(std::signbit(divided[i]), std::signbit(multiplied[i]));
    differs = differs || divided[i] != multiplied[i];
  }
  EXPECT_TRUE(differs);
}

TEST(Amax, OrdersNanAboveInf) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> data{1, -3, 2, 0};
  const Matrix matrix{data.data(), DType::kF32, 2, 2, 2};
  EXPECT_EQ(amax(matrix), 3);
  data[3] = -inf;
  EXPECT_EQ(amax(matrix), inf);
  data[0] = -std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(amax(matrix)));
  const std::vector<std::uint16_t> half{0x3C00, 0xC000};  // 1, -2
  EXPECT_EQ(amax({half.data(), DType::kF16, 1, 2, 2}), 2);
}

TEST(SchemeText, TakesAGroup) {
  EXPECT_EQ(scheme_from_text("W4A16").group_size, 128);
  EXPECT_EQ(scheme_from_text("W4A16:64").group_size, 64);
  EXPECT_EQ(scheme_from_text("W8A16:32").granularity, Granularity::kGroup);
  const auto error = [](std::string_view text) {
    try {
      scheme_from_text(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error("W4A16:"), HasSubstr("not a positive number"));
  EXPECT_THAT(error("W4A16:-2"), HasSubstr("not a positive number"));
  EXPECT_THAT(error("W4A16:33"), HasSubstr("even"));
  EXPECT_THAT(error("MXFP8:64"), HasSubstr("no group size to choose"));
  EXPECT_THAT(error("w4a16"), HasSubstr("did you mean 'W4A16'"));
}

TEST(LinearNames, AreToldFromTheirNames) {
  const std::vector<std::int64_t> matrix{4, 8};
  const std::vector<std::int64_t> vector{4};
  EXPECT_EQ(why_not_linear("model.layers.0.self_attn.q_proj.weight", matrix), "");
  EXPECT_EQ(why_not_linear("lm_head.weight", matrix), "");
  EXPECT_EQ(why_not_linear("model.embed_tokens.weight", matrix), "an embedding");
  EXPECT_EQ(why_not_linear("transformer.wte.weight", matrix), "an embedding");
  EXPECT_EQ(why_not_linear("model.norm.weight", matrix), "a norm");
  EXPECT_EQ(why_not_linear("model.norm.weight", vector), "1 dimensions");
  EXPECT_EQ(why_not_linear("model.layers.0.self_attn.q_proj.bias", matrix), "not a weight");
  EXPECT_EQ(fused_layer("a.self_attn.k_proj"), fused_layer("a.self_attn.q_proj"));
  EXPECT_NE(fused_layer("a.self_attn.k_proj"), fused_layer("b.self_attn.k_proj"));
  EXPECT_EQ(fused_layer("a.mlp.down_proj"), "");
  EXPECT_TRUE(is_ignored_by_default("model.layers.3.mlp.gate"));
  EXPECT_FALSE(is_ignored_by_default("model.layers.3.mlp.gate_proj"));
  EXPECT_TRUE(NamePattern("re:.*q_proj").matches("a.q_proj.x"));
  EXPECT_FALSE(NamePattern("re:q_proj").matches("a.q_proj"));
  EXPECT_FALSE(NamePattern("q_proj").matches("a.q_proj"));
  EXPECT_THROW(NamePattern("re:("), Error);
}

}  // namespace
}  // namespace lowp
