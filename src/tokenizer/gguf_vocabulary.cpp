#include "tokenizer/gguf_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lowp/error.h"
#include "tokenizer/byte_level_pre_tokenizers.h"
#include "tokenizer/sentencepiece_merges.h"

namespace lowp::tokenizer {
namespace {

using nlohmann::ordered_json;

// tokenizer.ggml.token_type, as llama.h numbers them.
enum TokenType : std::int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4 };

constexpr const char* kSpace = "\u2581";  // what SentencePiece writes for a space

[[noreturn]] void fail(std::string_view key, const std::string& problem) {
  throw Error(fmt::format("[tokenizer] GGUF key {}: {}", key, problem));
}

const ordered_json* find(const ordered_json& metadata, std::string_view key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? nullptr : &*found;
}

std::optional<std::string> optional_string(const ordered_json& metadata, std::string_view key) {
  const ordered_json* value = find(metadata, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string())
    fail(key, fmt::format("got a {}, expected a string", value->type_name()));
  return value->get<std::string>();
}

bool bool_or(const ordered_json& metadata, std::string_view key, bool fallback) {
  const ordered_json* value = find(metadata, key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) fail(key, fmt::format("got a {}, expected a bool", value->type_name()));
  return value->get<bool>();
}

const ordered_json* optional_array(const ordered_json& metadata, std::string_view key) {
  const ordered_json* value = find(metadata, key);
  if (value != nullptr && !value->is_array()) {
    fail(key, fmt::format("got a {}, expected an array", value->type_name()));
  }
  return value;
}

// What tokenizer.ggml.* says of the tokens themselves; index = id.
struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int64_t> types;
  std::unordered_map<std::string_view, std::size_t> ids;
};

std::vector<std::string> read_tokens(const ordered_json& metadata) {
  constexpr auto kKey = "tokenizer.ggml.tokens";
  const ordered_json* list = optional_array(metadata, kKey);
  if (list == nullptr) fail(kKey, "is missing");
  std::vector<std::string> tokens;
  tokens.reserve(list->size());
  for (const ordered_json& token : *list) {
    if (!token.is_string()) {
      fail(kKey,
           fmt::format("element {} is a {}, expected a string", tokens.size(), token.type_name()));
    }
    tokens.push_back(token.get<std::string>());
  }
  return tokens;
}

std::vector<std::int64_t> read_types(const ordered_json& metadata, std::size_t count) {
  constexpr auto kKey = "tokenizer.ggml.token_type";
  const ordered_json* list = optional_array(metadata, kKey);
  if (list == nullptr) return std::vector<std::int64_t>(count, kNormal);
  if (list->size() != count) {
    fail(kKey, fmt::format("got {} elements, expected {}, one a token", list->size(), count));
  }
  std::vector<std::int64_t> types;
  for (const ordered_json& type : *list) {
    if (!type.is_number_integer()) fail(kKey, "expected integers");
    types.push_back(type.get<std::int64_t>());
  }
  return types;
}

std::vector<double> read_scores(const ordered_json& metadata, std::size_t count) {
  constexpr auto kKey = "tokenizer.ggml.scores";
  const ordered_json* list = optional_array(metadata, kKey);
  if (list == nullptr) fail(kKey, "is missing, and tokenizer.ggml.merges too");
  if (list->size() != count) {
    fail(kKey, fmt::format("got {} elements, expected {}, one a token", list->size(), count));
  }
  std::vector<double> scores;
  for (const ordered_json& score : *list) {
    const bool finite = score.is_number() && std::isfinite(score.get<double>());
    if (!finite) fail(kKey, fmt::format("element {} is not a finite number", scores.size()));
    scores.push_back(score.get<double>());
  }
  return scores;
}

void index_tokens(Vocabulary& vocabulary) {
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const auto [first, is_new] = vocabulary.ids.emplace(vocabulary.tokens[id], id);
    if (!is_new) {
      fail("tokenizer.ggml.tokens", fmt::format("elements {} and {} are both \"{}\"", first->second,
                                                id, vocabulary.tokens[id]));
    }
  }
}

bool is_gemma(const ordered_json& metadata) {
  return optional_string(metadata, "general.architecture").value_or("").starts_with("gemma");
}

// Gemma's files spell runs of spaces with real spaces, where its merges use SentencePiece's mark.
void respell_spaces(std::vector<std::string>& tokens) {
  for (std::string& token : tokens) {
    if (token.empty() || token.find_first_not_of(' ') != std::string::npos) continue;
    std::string respelled;
    for (std::size_t i = 0; i < token.size(); ++i) respelled += kSpace;
    if (std::find(tokens.begin(), tokens.end(), respelled) == tokens.end()) token = respelled;
  }
}

Vocabulary read_vocabulary(const ordered_json& metadata) {
  Vocabulary vocabulary;
  vocabulary.tokens = read_tokens(metadata);
  vocabulary.types = read_types(metadata, vocabulary.tokens.size());
  if (is_gemma(metadata)) respell_spaces(vocabulary.tokens);
  index_tokens(vocabulary);
  return vocabulary;
}

std::optional<std::size_t> token_id(const ordered_json& metadata, std::string_view key,
                                    std::size_t count) {
  const ordered_json* value = find(metadata, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) fail(key, "expected an integer");
  const auto id = value->get<std::int64_t>();
  if (id < 0 || static_cast<std::size_t>(id) >= count) {
    fail(key, fmt::format("got {}, expected a token below {}", id, count));
  }
  return static_cast<std::size_t>(id);
}

// The tokens that have a role, by id.
struct Roles {
  std::optional<std::size_t> bos, eos, unknown, padding;

  bool holds(std::size_t id) const {
    return bos == id || eos == id || unknown == id || padding == id;
  }
};

Roles read_roles(const ordered_json& metadata, std::size_t count) {
  return {token_id(metadata, "tokenizer.ggml.bos_token_id", count),
          token_id(metadata, "tokenizer.ggml.eos_token_id", count),
          token_id(metadata, "tokenizer.ggml.unknown_token_id", count),
          token_id(metadata, "tokenizer.ggml.padding_token_id", count)};
}

ordered_json vocab_object(const Vocabulary& vocabulary) {
  ordered_json vocab = ordered_json::object();
  // An ordered_json looks through all its keys at each insertion; these are known to differ.
  auto& entries = vocab.get_ref<ordered_json::object_t&>();
  entries.reserve(vocabulary.tokens.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    entries.emplace_back(vocabulary.tokens[id], id);
  }
  return vocab;
}

std::optional<ordered_json> merges_of_file(const ordered_json& metadata) {
  constexpr auto kKey = "tokenizer.ggml.merges";
  const ordered_json* list = optional_array(metadata, kKey);
  if (list == nullptr) return std::nullopt;
  ordered_json merges = ordered_json::array();
  for (const ordered_json& merge : *list) {
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const std::size_t space = text.find(' ', 1);
    if (space == std::string::npos || space + 1 == text.size()) {
      fail(kKey, fmt::format("element {} is \"{}\", expected two tokens and a space between",
                             merges.size(), text));
    }
    merges.push_back({text.substr(0, space), text.substr(space + 1)});
  }
  return merges;
}

ordered_json merges_of_scores(const ordered_json& metadata, const Vocabulary& vocabulary) {
  const std::size_t count = vocabulary.tokens.size();
  std::vector<double> scores = read_scores(metadata, count);
  // Gemma's scores do not follow its merge order; the order of its tokens does.
  if (is_gemma(metadata)) {
    for (std::size_t id = 0; id < count; ++id) scores[id] = -static_cast<double>(id);
  }
  ordered_json merges = ordered_json::array();
  for (const auto& [left, right] : merges_from_scores(vocabulary.tokens, scores)) {
    merges.push_back({left, right});
  }
  return merges;
}

ordered_json added_tokens(const Vocabulary& vocabulary, const Roles& roles) {
  ordered_json list = ordered_json::array();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::int64_t type = vocabulary.types[id];
    const bool special = type == kControl || type == kUnknown || roles.holds(id);
    if (!special && type != kUserDefined) continue;
    if (vocabulary.tokens[id].empty()) continue;
    list.push_back({{"id", id},
                    {"content", vocabulary.tokens[id]},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", special}});
  }
  return list;
}

// BOS before the text, EOS after it, as the flags say; null where nothing is added.
ordered_json template_of(const ordered_json& metadata, const Vocabulary& vocabulary,
                         const Roles& roles, bool adds_bos) {
  const bool bos = bool_or(metadata, "tokenizer.ggml.add_bos_token", adds_bos && roles.bos);
  const bool eos = bool_or(metadata, "tokenizer.ggml.add_eos_token", false);
  if (bos && !roles.bos)
    fail("tokenizer.ggml.bos_token_id", "is missing, but add_bos_token is set");
  if (eos && !roles.eos)
    fail("tokenizer.ggml.eos_token_id", "is missing, but add_eos_token is set");
  if (!bos && !eos) return nullptr;
  ordered_json single = ordered_json::array(), second = ordered_json::array();
  ordered_json special_tokens = ordered_json::object();
  const auto special = [&](std::size_t id) {
    const std::string& token = vocabulary.tokens[id];
    special_tokens[token] = {{"id", token},
                             {"ids", ordered_json::array({id})},
                             {"tokens", ordered_json::array({token})}};
    single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
    second.push_back({{"SpecialToken", {{"id", token}, {"type_id", 1}}}});
  };
  if (bos) special(*roles.bos);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  second.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  if (eos) special(*roles.eos);
  ordered_json pair = single;
  for (const ordered_json& piece : second) pair.push_back(piece);
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special_tokens}};
}

ordered_json frame(const Vocabulary& vocabulary, const Roles& roles) {
  return {{"version", "1.0"},          {"truncation", nullptr},
          {"padding", nullptr},        {"added_tokens", added_tokens(vocabulary, roles)},
          {"normalizer", nullptr},     {"pre_tokenizer", nullptr},
          {"post_processor", nullptr}, {"decoder", nullptr},
          {"model", nullptr}};
}

ordered_json byte_level_tokenizer(const ordered_json& metadata, const Vocabulary& vocabulary,
                                  const Roles& roles) {
  const std::string pre = optional_string(metadata, "tokenizer.ggml.pre").value_or("default");
  const std::optional<ByteLevelRecipe> recipe = byte_level_recipe(pre);
  if (!recipe) {
    fail("tokenizer.ggml.pre",
         fmt::format("got \"{}\", expected one of {}", pre, byte_level_recipe_names()));
  }
  std::optional<ordered_json> merges = merges_of_file(metadata);
  if (!merges) fail("tokenizer.ggml.merges", "is missing");

  const ordered_json byte_level = {{"type", "ByteLevel"},
                                   {"add_prefix_space", false},
                                   {"trim_offsets", true},
                                   {"use_regex", true}};
  ordered_json root = frame(vocabulary, roles);
  root["normalizer"] = recipe->normalizer;
  root["pre_tokenizer"] = recipe->pre_tokenizer;
  const ordered_json bos_and_eos = template_of(metadata, vocabulary, roles, recipe->adds_bos);
  root["post_processor"] =
      bos_and_eos.is_null()
          ? byte_level
          : ordered_json{{"type", "Sequence"},
                         {"processors", ordered_json::array({byte_level, bos_and_eos})}};
  root["decoder"] = byte_level;
  root["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"ignore_merges", recipe->ignore_merges},
                   {"vocab", vocab_object(vocabulary)},
                   {"merges", std::move(*merges)}};
  return root;
}

ordered_json replace(const char* pattern, const char* content) {
  return {{"type", "Replace"}, {"pattern", {{"String", pattern}}}, {"content", content}};
}

// The shape of Llama 2's own tokenizer.json.
ordered_json sentencepiece_tokenizer(const ordered_json& metadata, const Vocabulary& vocabulary,
                                     const Roles& roles) {
  const bool prefix = bool_or(metadata, "tokenizer.ggml.add_space_prefix", !is_gemma(metadata));
  std::optional<ordered_json> merges = merges_of_file(metadata);
  if (!merges) merges = merges_of_scores(metadata, vocabulary);

  ordered_json normalizers = ordered_json::array();
  if (prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  normalizers.push_back(replace(" ", kSpace));
  ordered_json decoders =
      ordered_json::array({replace(kSpace, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}});
  if (prefix) {
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  ordered_json root = frame(vocabulary, roles);
  root["normalizer"] = {{"type", "Sequence"}, {"normalizers", normalizers}};
  root["post_processor"] = template_of(metadata, vocabulary, roles, true);
  root["decoder"] = {{"type", "Sequence"}, {"decoders", decoders}};
  root["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", true},
                   {"byte_fallback", true},
                   {"ignore_merges", false},
                   {"vocab", vocab_object(vocabulary)},
                   {"merges", std::move(*merges)}};
  if (roles.unknown) root["model"]["unk_token"] = vocabulary.tokens[*roles.unknown];
  return root;
}

ordered_json config_of(const ordered_json& metadata, const Vocabulary& vocabulary,
                       const Roles& roles) {
  ordered_json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  const auto role = [&](const char* name, std::optional<std::size_t> id) {
    if (id) config[name] = vocabulary.tokens[*id];
  };
  role("bos_token", roles.bos);
  role("eos_token", roles.eos);
  role("unk_token", roles.unknown);
  role("pad_token", roles.padding);
  config["clean_up_tokenization_spaces"] = false;
  const auto architecture = optional_string(metadata, "general.architecture").value_or("");
  const ordered_json* length = find(metadata, architecture + ".context_length");
  if (length != nullptr && length->is_number_integer()) config["model_max_length"] = *length;
  if (const auto chat = optional_string(metadata, "tokenizer.chat_template")) {
    config["chat_template"] = *chat;
  }
  return config;
}

std::string dump(const ordered_json& json) {
  try {
    return json.dump(2) + "\n";
  } catch (const ordered_json::exception&) {
    throw Error("[tokenizer] GGUF keys tokenizer.*: a string is not UTF-8");
  }
}

}  // namespace

TokenizerFiles tokenizer_from_gguf(const ordered_json& metadata) {
  constexpr auto kModel = "tokenizer.ggml.model";
  const std::optional<std::string> model = optional_string(metadata, kModel);
  if (!model) fail(kModel, "is missing");
  if (*model != "gpt2" && *model != "llama") {
    fail(kModel, fmt::format("got \"{}\", expected gpt2 or llama", *model));
  }
  const Vocabulary vocabulary = read_vocabulary(metadata);
  const Roles roles = read_roles(metadata, vocabulary.tokens.size());
  const ordered_json tokenizer = *model == "gpt2"
                                     ? byte_level_tokenizer(metadata, vocabulary, roles)
                                     : sentencepiece_tokenizer(metadata, vocabulary, roles);
  return {dump(tokenizer), dump(config_of(metadata, vocabulary, roles))};
}

}  // namespace lowp::tokenizer
