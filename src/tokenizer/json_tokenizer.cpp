#include "tokenizer/json_tokenizer.h"

#include <fmt/format.h>

#include <utility>

namespace lowp::tokenizer {
namespace {

// A part of tokenizer.json that may be null.
template <class Part>
Part read(const JsonField& root, std::string_view key) {
  const auto field = root.find(key);
  return field ? Part(*field) : Part();
}

const JsonField& checked(const JsonField& root) {
  root.allow_only({"version", "truncation", "padding", "added_tokens", "normalizer",
                   "pre_tokenizer", "post_processor", "decoder", "model"});
  if (const std::string version = root.string_or("version", "1.0"); version != "1.0") {
    root.at("version").fail(fmt::format("is \"{}\", expected 1.0", version));
  }
  return root;
}

}  // namespace

JsonTokenizer::JsonTokenizer(const JsonField& root)
    : model_(checked(root).at("model")),
      normalizer_(read<Normalizer>(root, "normalizer")),
      pre_tokenizer_(read<PreTokenizer>(root, "pre_tokenizer")),
      post_processor_(read<PostProcessor>(root, "post_processor")),
      decoder_(read<Decoder>(root, "decoder")) {
  if (const auto field = root.find("added_tokens")) read_added(*field);
}

void JsonTokenizer::read_added(const JsonField& field) {
  std::vector<TokenFinder::Entry> raw, normalized;
  std::size_t index = 0;
  for (const AddedToken& token : read_added_tokens(field)) {
    const auto fail = [&](const std::string& other) {
      field.elements()[index].fail(
          fmt::format("gives \"{}\" the id {}, but {}", token.content, token.id, other));
    };
    if (const auto id = model_.vocabulary().id_of(token.content); id && *id != token.id) {
      fail(fmt::format("it is {} in model.vocab", *id));
    }
    const std::string* owner = model_.vocabulary().token_of(token.id);
    if (owner != nullptr && *owner != token.content) {
      fail(fmt::format("that is \"{}\" in model.vocab", *owner));
    }
    if (!added_.add(token.content, token.id)) fail("the token or the id was added before");
    if (owner == nullptr) ++added_only_;
    if (token.special) special_.insert(token.content);
    if (token.normalized) {
      const std::string text = normalizer_(token.content);
      if (text != token.content) decoded_.emplace(token.id, text);
      if (!text.empty()) normalized.push_back({text, token});
    } else {
      raw.push_back({token.content, token});
    }
    ++index;
  }
  raw_tokens_ = TokenFinder(std::move(raw));
  normalized_tokens_ = TokenFinder(std::move(normalized));
}

void JsonTokenizer::encode_segment(std::string_view text, bool starts_input, BpeState& state,
                                   std::vector<std::int32_t>& ids) const {
  const std::string normalized = normalizer_(std::string(text));
  for (const Segment& segment : normalized_tokens_.split(normalized)) {
    if (segment.id) {
      ids.push_back(*segment.id);
      continue;
    }
    const bool first = starts_input && segment.text.data() == normalized.data();
    Pieces pieces{std::string(segment.text), {{0, segment.text.size()}}, first};
    pre_tokenizer_(pieces);
    for (const Range& range : pieces.ranges) model_.encode(pieces.piece(range), state, ids);
  }
}

std::vector<std::int32_t> JsonTokenizer::encode(std::string_view text,
                                                bool add_special_tokens) const {
  std::vector<std::int32_t> ids;
  BpeState state;
  for (const Segment& segment : raw_tokens_.split(text)) {
    if (segment.id) {
      ids.push_back(*segment.id);
    } else {
      encode_segment(segment.text, segment.text.data() == text.data(), state, ids);
    }
  }
  return add_special_tokens ? post_processor_(std::move(ids)) : ids;
}

std::string JsonTokenizer::decode(const std::vector<std::int32_t>& ids,
                                  bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    const auto normalized = decoded_.find(id);
    std::optional<std::string> token =
        normalized != decoded_.end() ? std::optional(normalized->second) : id_to_token(id);
    if (!token || (skip_special_tokens && special_.contains(*token))) continue;
    tokens.push_back(std::move(*token));
  }
  return decoder_(std::move(tokens));
}

std::int64_t JsonTokenizer::vocabulary_size() const {
  return static_cast<std::int64_t>(model_.vocabulary().size() + added_only_);
}

std::optional<std::int32_t> JsonTokenizer::token_to_id(std::string_view token) const {
  const auto id = added_.id_of(token);
  return id ? id : model_.vocabulary().id_of(token);
}

std::optional<std::string> JsonTokenizer::id_to_token(std::int32_t id) const {
  const std::string* token = added_.token_of(id);
  if (token == nullptr) token = model_.vocabulary().token_of(id);
  return token == nullptr ? std::nullopt : std::optional(*token);
}

}  // namespace lowp::tokenizer
