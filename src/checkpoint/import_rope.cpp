#include "checkpoint/import_rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "checkpoint/gguf_blocks.h"
#include "checkpoint/gguf_cursor.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

using nlohmann::ordered_json;

// Llama 3.1 and later all have these two.
constexpr double kLowFreqFactor = 1.0;
constexpr double kHighFreqFactor = 4.0;

// What frequency i, theta^(-2i / head_dim), is divided by (transformers, rope type "llama3"; Llama
// 3.1's apply_scaling).
double llama3_divisor(double theta, std::int64_t head_dim, std::int64_t i, double factor,
                      double original_context) {
  const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
  const double wavelength = 2 * std::numbers::pi * std::pow(theta, exponent);
  if (wavelength < original_context / kHighFreqFactor) return 1.0;
  if (wavelength > original_context / kLowFreqFactor) return factor;
  const double smooth =
      (original_context / wavelength - kLowFreqFactor) / (kHighFreqFactor - kLowFreqFactor);
  return 1.0 / ((1.0 - smooth) / factor + smooth);
}

ordered_json find_llama3(const Gguf& gguf, const GgufTensor& tensor, double theta,
                         std::int64_t head_dim) {
  const auto fail = [&](std::string_view problem) {
    throw Error(
        fmt::format("[gguf] '{}': tensor '{}': {}", gguf.path().string(), tensor.name, problem));
  };
  if (tensor.type != GgufType::kF32 || tensor.shape != std::vector{head_dim / 2}) {
    fail(fmt::format("{} of {} elements, expected F32 of {}", gguf_type_info(tensor.type).name,
                     tensor.element_count(), head_dim / 2));
  }
  std::vector<float> divisors(static_cast<std::size_t>(head_dim / 2));
  dequantize_gguf(tensor.type, tensor.data.data(), head_dim / 2, divisors.data());
  if (std::all_of(divisors.begin(), divisors.end(), [](float x) { return x == 1.0F; })) {
    return nullptr;
  }
  const double factor = *std::max_element(divisors.begin(), divisors.end());
  for (const double context : {8192.0, 2048.0, 4096.0, 16384.0, 32768.0}) {
    const auto agrees = [&](std::int64_t i) {
      const double expected = llama3_divisor(theta, head_dim, i, factor, context);
      return std::abs(divisors[static_cast<std::size_t>(i)] - expected) <= 1e-4 * expected;
    };
    std::int64_t i = 0;
    while (i < head_dim / 2 && agrees(i)) ++i;
    if (i < head_dim / 2) continue;
    return {{"rope_type", "llama3"},
            {"factor", factor},
            {"low_freq_factor", kLowFreqFactor},
            {"high_freq_factor", kHighFreqFactor},
            {"original_max_position_embeddings", static_cast<std::int64_t>(context)}};
  }
  fail(fmt::format("its factors, up to {}, are not those of Llama 3's scaling", factor));
  return nullptr;
}

}  // namespace

ordered_json read_rope_scaling(const Gguf& gguf, const GgufFields& fields, double theta,
                               std::int64_t head_dim) {
  if (const GgufTensor* factors = gguf.find("rope_freqs.weight")) {
    return find_llama3(gguf, *factors, theta, head_dim);
  }
  // Files of 2023 have linear scaling alone, as rope.scale_linear.
  const auto old_factor = fields.find_positive("rope.scale_linear");
  const std::string type =
      fields.find_text("rope.scaling.type").value_or(old_factor ? "linear" : "none");
  if (type == "none") return nullptr;
  if (type != "linear" && type != "yarn") {
    fields.fail("rope.scaling.type",
                fmt::format("value is '{}', expected none, linear or yarn", printable(type)));
  }
  const double factor = old_factor ? *old_factor : fields.positive("rope.scaling.factor");
  if (factor == 1.0) return nullptr;
  ordered_json scaling{{"rope_type", type}, {"factor", factor}};
  if (type == "yarn") {
    scaling["original_max_position_embeddings"] =
        fields.size("rope.scaling.original_context_length");
  }
  return scaling;
}

}  // namespace lowp::checkpoint
