#include "tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <variant>

#include "lowp/error.h"
#include "tokenizer/json_tokenizer.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/text_file.h"
#include "tokenizer/utf8.h"

namespace lowp::tokenizer {

struct Tokenizer::Model {
  std::variant<JsonTokenizer, SentencePieceTokenizer> kind;

  template <class F>
  auto visit(const F& f) const {
    return std::visit(f, kind);
  }
};

Tokenizer::Tokenizer(std::unique_ptr<Model> model) : model_(std::move(model)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "tokenizer.json";
  if (std::filesystem::exists(file)) {
    const nlohmann::json root = read_json(file);
    return Tokenizer(std::make_unique<Model>(Model{JsonTokenizer(JsonField(root, file.string()))}));
  }
  if (!std::filesystem::exists(directory / "tokenizer.model")) {
    throw Error(fmt::format("[tokenizer] {} has neither tokenizer.json nor tokenizer.model",
                            directory.string()));
  }
  return Tokenizer(std::make_unique<Model>(Model{SentencePieceTokenizer(directory)}));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    throw Error(fmt::format("[tokenizer] the text is not UTF-8 at byte {} (0x{:02X})", bad,
                            static_cast<unsigned char>(text[bad])));
  }
  return model_->visit([&](const auto& kind) { return kind.encode(text, add_special_tokens); });
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids,
                              bool skip_special_tokens) const {
  return model_->visit([&](const auto& kind) { return kind.decode(ids, skip_special_tokens); });
}

std::int64_t Tokenizer::vocabulary_size() const {
  return model_->visit([](const auto& kind) { return kind.vocabulary_size(); });
}

std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  return model_->visit([&](const auto& kind) { return kind.token_to_id(token); });
}

std::string Tokenizer::id_to_token(std::int32_t id) const {
  const std::optional<std::string> token =
      model_->visit([&](const auto& kind) { return kind.id_to_token(id); });
  if (!token) throw Error(fmt::format("[tokenizer] no token has the id {}", id));
  return *token;
}

}  // namespace lowp::tokenizer
