#include "tokenizer/sentencepiece_tokenizer.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <charconv>

#include "lowp/error.h"
#include "tokenizer/text_file.h"

namespace lowp::tokenizer {
namespace {

using sentencepiece::SentencePieceProcessor;

std::unique_ptr<SentencePieceProcessor> load(const std::string& model, const std::string& file) {
  auto processor = std::make_unique<SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto(model);
  if (!status.ok() || processor->GetPieceSize() <= 0) {
    throw Error(fmt::format("[tokenizer] {} is not a SentencePiece model: {}", file,
                            status.error_message()));
  }
  return processor;
}

// In a serialized message a later field overrides an earlier one, so appending ModelProto's
// normalizer_spec (field 3) with add_dummy_prefix (its field 3) = false is enough.
std::string without_dummy_prefix(std::string model) {
  constexpr char kOverride[] = {0x1A, 0x02, 0x18, 0x00};
  return model.append(kOverride, sizeof kOverride);
}

constexpr const char* kSpace = "\u2581";

// The decoder that transformers gives a converted model.
Decoder decoder_for(bool strips_prefix, const std::string& file) {
  nlohmann::json steps = {
      {{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
      {{"type", "ByteFallback"}},
      {{"type", "Fuse"}}};
  if (strips_prefix) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  const nlohmann::json sequence = {{"type", "Sequence"}, {"decoders", steps}};
  return Decoder(JsonField(sequence, file));
}

// "</s>" or {"content": "</s>", ...}.
std::string token_text(const JsonField& field) {
  return field.value().is_object() ? field.at("content").string() : field.string();
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceTokenizer&&) noexcept = default;
SentencePieceTokenizer& SentencePieceTokenizer::operator=(SentencePieceTokenizer&&) noexcept =
    default;
SentencePieceTokenizer::~SentencePieceTokenizer() = default;

SentencePieceTokenizer::SentencePieceTokenizer(const std::filesystem::path& directory) {
  const std::filesystem::path model_file = directory / "tokenizer.model";
  const std::string model = read_file(model_file);
  with_prefix_ = load(model, model_file.string());
  without_prefix_ = load(without_dummy_prefix(model), model_file.string());
  read_pieces(model_file.string());
  const std::filesystem::path config_file = directory / "tokenizer_config.json";
  const nlohmann::json config =
      std::filesystem::exists(config_file) ? read_json(config_file) : nlohmann::json::object();
  read_config(JsonField(config, config_file.string()));
  finder_ = TokenFinder(found_in_text_);
  const std::vector<std::string> pieces = with_prefix_->EncodeAsPieces("a");
  decoder_ = decoder_for(!pieces.empty() && pieces[0].starts_with(kSpace), model_file.string());
}

void SentencePieceTokenizer::read_pieces(const std::string& file) {
  const int count = with_prefix_->GetPieceSize();
  vocabulary_.reserve(static_cast<std::size_t>(count));
  for (std::int32_t id = 0; id < count; ++id) {
    const std::string& piece = with_prefix_->IdToPiece(id);
    if (id > kLargestId || !vocabulary_.add(piece, id)) {
      throw Error(fmt::format("[tokenizer] {}: piece {} is \"{}\" again", file, id, piece));
    }
    const bool special = with_prefix_->IsControl(id) || with_prefix_->IsUnknown(id);
    if (!special || piece.empty()) continue;
    special_.insert(id);
    found_in_text_.push_back({piece, {.content = piece, .id = id, .special = true}});
  }
}

void SentencePieceTokenizer::add_token(const AddedToken& token, const JsonField& field) {
  const auto known = vocabulary_.id_of(token.content);
  const bool agrees = known ? *known == token.id : vocabulary_.add(token.content, token.id);
  if (!agrees) {
    field.fail(fmt::format("gives \"{}\" an id that another token has, or another id than before",
                           token.content));
  }
  if (token.special) special_.insert(token.id);
  std::erase_if(found_in_text_, [&](const auto& entry) { return entry.token.id == token.id; });
  found_in_text_.push_back({token.content, token});
}

std::int32_t SentencePieceTokenizer::id_of_role(const JsonField& config, const char* key,
                                                int fallback) const {
  const auto field = config.find(key);
  const auto id = field ? vocabulary_.id_of(token_text(*field)) : std::optional(fallback);
  if (!id) field->fail(fmt::format("is \"{}\", which tokenizer.model lacks", token_text(*field)));
  if (*id < 0) config.fail(fmt::format("names no {}, and tokenizer.model has none", key));
  return *id;
}

void SentencePieceTokenizer::read_config(const JsonField& config) {
  if (const auto added = config.find("added_tokens_decoder")) {
    if (!added->value().is_object()) added->fail("is not an object");
    for (const auto& [key, ignored] : added->value().items()) {
      const JsonField entry = added->at(key);
      std::int32_t id = -1;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      const bool valid =
          error == std::errc() && end == key.data() + key.size() && id >= 0 && id <= kLargestId;
      if (!valid) entry.fail("does not have an id as its key");
      const std::string content = entry.at("content").string();
      if (content.empty()) entry.at("content").fail("is empty");
      add_token({.content = content,
                 .id = id,
                 .special = entry.boolean_or("special", false),
                 .normalized = false,
                 .left_strip = entry.boolean_or("lstrip", false),
                 .right_strip = entry.boolean_or("rstrip", false),
                 .single_word = entry.boolean_or("single_word", false)},
                entry);
    }
  }
  legacy_ = config.boolean_or("legacy", false);
  if (config.boolean_or("add_bos_token", with_prefix_->bos_id() >= 0)) {
    bos_ = id_of_role(config, "bos_token", with_prefix_->bos_id());
  }
  if (config.boolean_or("add_eos_token", false)) {
    eos_ = id_of_role(config, "eos_token", with_prefix_->eos_id());
  }
}

std::vector<std::int32_t> SentencePieceTokenizer::encode(std::string_view text,
                                                         bool add_special_tokens) const {
  std::vector<std::int32_t> ids;
  if (add_special_tokens && bos_) ids.push_back(*bos_);
  for (const Segment& segment : finder_.split(text)) {
    if (segment.id) {
      ids.push_back(*segment.id);
      continue;
    }
    const bool prefix = legacy_ || segment.text.data() == text.data();
    std::vector<int> part;
    const auto status =
        (prefix ? with_prefix_ : without_prefix_)
            ->Encode(absl::string_view(segment.text.data(), segment.text.size()), &part);
    if (!status.ok()) {
      throw Error(fmt::format("[tokenizer] SentencePiece: {}", status.error_message()));
    }
    ids.insert(ids.end(), part.begin(), part.end());
  }
  if (add_special_tokens && eos_) ids.push_back(*eos_);
  return ids;
}

std::string SentencePieceTokenizer::decode(const std::vector<std::int32_t>& ids,
                                           bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  for (const std::int32_t id : ids) {
    const std::string* token = vocabulary_.token_of(id);
    if (token == nullptr || (skip_special_tokens && special_.contains(id))) continue;
    tokens.push_back(*token);
  }
  return decoder_(std::move(tokens));
}

std::optional<std::int32_t> SentencePieceTokenizer::token_to_id(std::string_view token) const {
  return vocabulary_.id_of(token);
}

std::optional<std::string> SentencePieceTokenizer::id_to_token(std::int32_t id) const {
  const std::string* token = vocabulary_.token_of(id);
  return token == nullptr ? std::nullopt : std::optional(*token);
}

}  // namespace lowp::tokenizer
