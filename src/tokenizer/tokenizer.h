#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lowp::tokenizer {

// Text to token ids and back, as the `tokenizers` package does it. The const functions may be
// called from several threads at once.
class Tokenizer {
 public:
  // Reads tokenizer.json of `directory`, or tokenizer.model where there is none. Throws lowp::Error
  // that names the file and the field.
  static Tokenizer load(const std::filesystem::path& directory);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // add_special_tokens: as the post-processor says (BOS and the like). Special tokens that stand in
  // the text are recognised in either case. Throws lowp::Error if the text is not UTF-8.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens) const;
  // Ids that no token has are left out; bytes that are not UTF-8 become U+FFFD.
  std::string decode(const std::vector<std::int32_t>& ids, bool skip_special_tokens) const;

  std::int64_t vocabulary_size() const;  // tokens, added ones included
  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  // The token as its file writes it. Throws lowp::Error if there is none.
  std::string id_to_token(std::int32_t id) const;

 private:
  struct Model;
  explicit Tokenizer(std::unique_ptr<Model> model);
  std::unique_ptr<Model> model_;
};

}  // namespace lowp::tokenizer
