#include "models/rotary_table.h"

#include <bit>
#include <numbers>

namespace lowp::models {
namespace {

// Llama 3: wavelengths beyond the trained context are stretched by `factor`, short ones are kept,
// and between the two thresholds the frequency goes linearly from one to the other.
torch::Tensor scale_llama3(const torch::Tensor& frequencies, const Rope& rope) {
  const auto context = static_cast<double>(rope.original_max_position_embeddings);
  const torch::Tensor turns = context * frequencies / (2.0 * std::numbers::pi);
  const torch::Tensor smooth =
      ((turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor))
          .clamp(0.0, 1.0);
  return (1.0 - smooth) * frequencies / rope.factor + smooth * frequencies;
}

torch::Tensor make_frequencies(const Rope& rope, std::int64_t head_dim) {
  const torch::Tensor exponents =
      torch::arange(0, head_dim, 2, torch::kFloat32) / static_cast<double>(head_dim);
  const torch::Tensor frequencies = 1.0 / torch::pow(rope.theta, exponents);
  switch (rope.scaling) {
    case RopeScaling::kNone:
      return frequencies;
    case RopeScaling::kLinear:
      return frequencies / rope.factor;
    case RopeScaling::kLlama3:
      return scale_llama3(frequencies, rope);
  }
  return frequencies;
}

}  // namespace

RotaryTable::RotaryTable(const Rope& rope, std::int64_t head_dim)
    : frequencies_(make_frequencies(rope, head_dim)) {}

Rotation RotaryTable::rows(std::int64_t begin, std::int64_t count, torch::Device device) {
  if (!table_.cos.defined() || table_.cos.size(0) < begin + count) grow(begin + count);
  if (table_.cos.device() != device) table_ = {table_.cos.to(device), table_.sin.to(device), {}};
  return {table_.cos.narrow(0, begin, count), table_.sin.narrow(0, begin, count), {}};
}

void RotaryTable::grow(std::int64_t positions) {
  const auto size = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(positions)));
  const torch::Tensor angles =
      torch::arange(size, torch::kFloat32).unsqueeze(1) * frequencies_.unsqueeze(0);
  table_ = {angles.cos(), angles.sin(), {}};
}

}  // namespace lowp::models
