#include "tokenizer/byte_level_pre_tokenizers.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace lowp::tokenizer {
namespace {

using nlohmann::ordered_json;

enum class Family : std::uint8_t { kGpt2, kDigitsGpt2, kLlama3, kQwen2, kTekken, kGpt4o };

struct Name {
  std::string_view name;
  Family family;
};

// Names of llama.cpp's llama-vocab.cpp. "default" stands in files older than the key.
constexpr std::array kNames{
    Name{"default", Family::kGpt2},
    Name{"gpt-2", Family::kGpt2},
    Name{"phi-2", Family::kGpt2},
    Name{"mpt", Family::kGpt2},
    Name{"olmo", Family::kGpt2},
    Name{"smollm", Family::kDigitsGpt2},
    Name{"starcoder", Family::kDigitsGpt2},
    Name{"refact", Family::kDigitsGpt2},
    Name{"command-r", Family::kDigitsGpt2},
    Name{"llama-bpe", Family::kLlama3},
    Name{"llama3", Family::kLlama3},
    Name{"llama-v3", Family::kLlama3},
    Name{"falcon3", Family::kLlama3},
    Name{"pixtral", Family::kLlama3},
    Name{"qwen2", Family::kQwen2},
    Name{"deepseek-r1-qwen", Family::kQwen2},
    Name{"tekken", Family::kTekken},
    Name{"gpt-4o", Family::kGpt4o},
    Name{"llama4", Family::kGpt4o},
};

// The patterns are those of the models' own tokenizer.json files.
constexpr auto kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr auto kQwen2Pattern = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
                               R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr auto kTekkenPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr auto kGpt4oPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

ordered_json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

ordered_json sequence(ordered_json first, ordered_json second) {
  return {{"type", "Sequence"},
          {"pretokenizers", ordered_json::array({std::move(first), std::move(second)})}};
}

ordered_json split_then_bytes(const char* pattern) {
  ordered_json split = {{"type", "Split"},
                        {"pattern", {{"Regex", pattern}}},
                        {"behavior", "Isolated"},
                        {"invert", false}};
  return sequence(std::move(split), byte_level(false));
}

ByteLevelRecipe recipe_of(Family family) {
  switch (family) {
    case Family::kGpt2:
      return {.normalizer = nullptr, .pre_tokenizer = byte_level(true)};
    case Family::kDigitsGpt2:
      return {.normalizer = nullptr,
              .pre_tokenizer =
                  sequence({{"type", "Digits"}, {"individual_digits", true}}, byte_level(true))};
    case Family::kLlama3:
      return {.normalizer = nullptr,
              .pre_tokenizer = split_then_bytes(kLlama3Pattern),
              .ignore_merges = true,
              .adds_bos = true};
    case Family::kQwen2:
      return {.normalizer = {{"type", "NFC"}}, .pre_tokenizer = split_then_bytes(kQwen2Pattern)};
    case Family::kTekken:
      return {.normalizer = nullptr,
              .pre_tokenizer = split_then_bytes(kTekkenPattern),
              .ignore_merges = true,
              .adds_bos = true};
    case Family::kGpt4o:
      return {.normalizer = nullptr, .pre_tokenizer = split_then_bytes(kGpt4oPattern)};
  }
  return {};
}

}  // namespace

std::optional<ByteLevelRecipe> byte_level_recipe(std::string_view name) {
  const auto found = std::find_if(kNames.begin(), kNames.end(),
                                  [&](const Name& known) { return known.name == name; });
  if (found == kNames.end()) return std::nullopt;
  return recipe_of(found->family);
}

std::string byte_level_recipe_names() {
  std::string names;
  for (const Name& known : kNames) {
    if (!names.empty()) names += ", ";
    names += known.name;
  }
  return names;
}

}  // namespace lowp::tokenizer
