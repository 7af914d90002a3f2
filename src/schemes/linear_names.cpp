#include "schemes/linear_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "lowp/error.h"

namespace lowp {
namespace {

constexpr std::string_view kSuffix = ".weight";
constexpr std::string_view kRegex = "re:";

std::string_view last_part(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

template <std::size_t size>
bool is_one_of(std::string_view text, const std::array<std::string_view, size>& list) {
  return std::ranges::find(list, text) != list.end();
}

}  // namespace

std::string why_not_linear(std::string_view tensor, std::span<const std::int64_t> shape) {
  if (!tensor.ends_with(kSuffix)) return "not a weight";
  if (shape.size() != 2) return fmt::format("{} dimensions", shape.size());
  const std::string_view layer = last_part(module_of(tensor));
  constexpr std::array<std::string_view, 2> kEmbeddings{"wte", "wpe"};
  if (layer.find("embed") != std::string_view::npos || is_one_of(layer, kEmbeddings)) {
    return "an embedding";
  }
  constexpr std::array<std::string_view, 3> kNorms{"ln_1", "ln_2", "ln_f"};
  if (layer.find("norm") != std::string_view::npos || is_one_of(layer, kNorms)) return "a norm";
  if (layer.find("conv") != std::string_view::npos) return "a convolution";
  return "";
}

std::string_view module_of(std::string_view tensor) {
  const std::size_t dot = tensor.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : tensor.substr(0, dot);
}

std::string fused_layer(std::string_view module) {
  const std::string_view layer = last_part(module);
  const std::string_view parent = module.substr(0, module.size() - layer.size());
  constexpr std::array<std::string_view, 3> kAttention{"q_proj", "k_proj", "v_proj"};
  constexpr std::array<std::string_view, 2> kGated{"gate_proj", "up_proj"};
  if (is_one_of(layer, kAttention)) return fmt::format("{}qkv_proj", parent);
  if (is_one_of(layer, kGated)) return fmt::format("{}gate_up_proj", parent);
  return "";
}

bool is_ignored_by_default(std::string_view module) {
  constexpr std::array<std::string_view, 4> kNames{"lm_head", "gate", "router",
                                                   "shared_expert_gate"};
  return is_one_of(last_part(module), kNames);
}

NamePattern::NamePattern(std::string text)
    : text_(std::move(text)), is_regex_(text_.starts_with(kRegex)) {
  if (!is_regex_) return;
  try {
    regex_ = std::regex(text_.substr(kRegex.size()));
  } catch (const std::regex_error& error) {
    throw Error(
        fmt::format("[name pattern] not a regular expression, got '{}': {}", text_, error.what()));
  }
}

bool NamePattern::matches(std::string_view module) const {
  if (!is_regex_) return module == text_;
  return std::regex_search(module.begin(), module.end(), regex_,
                           std::regex_constants::match_continuous);
}

}  // namespace lowp
