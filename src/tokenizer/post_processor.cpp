#include "tokenizer/post_processor.h"

#include <fmt/format.h>

namespace lowp::tokenizer {
namespace {

std::vector<std::int32_t> read_special_token(const JsonField& special_tokens,
                                             const std::string& name) {
  const JsonField entry = special_tokens.at(name);
  entry.allow_only({"id", "ids", "tokens"});
  std::vector<std::int32_t> ids;
  for (const JsonField& id : entry.at("ids").elements()) {
    ids.push_back(static_cast<std::int32_t>(id.integer(0, kLargestId)));
  }
  return ids;
}

}  // namespace

PostProcessor::PostProcessor(const JsonField& field) { append(field, 0); }

void PostProcessor::append(const JsonField& field, int depth) {
  constexpr int kDeepest = 16;
  const std::string type = field.type();
  if (type == "Sequence") {
    if (depth == kDeepest) field.fail("is nested too deep");
    field.allow_only({"type", "processors"});
    for (const JsonField& part : field.at("processors").elements()) append(part, depth + 1);
  } else if (type == "TemplateProcessing") {
    templates_.push_back(read_template(field));
  } else if (type == "ByteLevel") {  // changes offsets only
    field.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  } else {
    field.at("type").fail(
        fmt::format("is \"{}\", expected ByteLevel, TemplateProcessing or Sequence", type));
  }
}

std::vector<PostProcessor::Piece> PostProcessor::read_template(const JsonField& field) {
  field.allow_only({"type", "single", "pair", "special_tokens"});
  std::vector<Piece> pieces;
  for (const JsonField& piece : field.at("single").elements()) {
    piece.allow_only({"SpecialToken", "Sequence"});
    if (const auto special = piece.find("SpecialToken")) {
      special->allow_only({"id", "type_id"});
      pieces.push_back(read_special_token(field.at("special_tokens"), special->at("id").string()));
    } else {
      const JsonField sequence = piece.at("Sequence");
      sequence.allow_only({"id", "type_id"});
      if (sequence.at("id").string() != "A") sequence.at("id").fail("must be \"A\" here");
      pieces.push_back(std::nullopt);
    }
  }
  return pieces;
}

std::vector<std::int32_t> PostProcessor::operator()(std::vector<std::int32_t> ids) const {
  for (const auto& pieces : templates_) {
    std::vector<std::int32_t> out;
    for (const Piece& piece : pieces) {
      const std::vector<std::int32_t>& part = piece ? *piece : ids;
      out.insert(out.end(), part.begin(), part.end());
    }
    ids = std::move(out);
  }
  return ids;
}

}  // namespace lowp::tokenizer
