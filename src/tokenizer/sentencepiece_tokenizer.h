#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/decoder.h"
#include "tokenizer/vocabulary.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace lowp::tokenizer {

// A tokenizer.model (SentencePiece, BPE or unigram), with the rules of transformers' LlamaTokenizer
// around it. tokenizer_config.json, where there is one, gives add_bos_token (true by default),
// add_eos_token (false), bos_token, eos_token, legacy (false) and added_tokens_decoder.
class SentencePieceTokenizer {
 public:
  explicit SentencePieceTokenizer(const std::filesystem::path& directory);
  SentencePieceTokenizer(SentencePieceTokenizer&&) noexcept;
  SentencePieceTokenizer& operator=(SentencePieceTokenizer&&) noexcept;
  ~SentencePieceTokenizer();

  // The text must be UTF-8.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens) const;
  std::string decode(const std::vector<std::int32_t>& ids, bool skip_special_tokens) const;

  std::int64_t vocabulary_size() const { return static_cast<std::int64_t>(vocabulary_.size()); }
  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(std::int32_t id) const;

 private:
  using Processor = std::unique_ptr<sentencepiece::SentencePieceProcessor>;

  void read_pieces(const std::string& file);
  void read_config(const JsonField& config);
  void add_token(const AddedToken& token, const JsonField& field);
  std::int32_t id_of_role(const JsonField& config, const char* key, int fallback) const;

  Processor with_prefix_;     // puts a space before the text if the model says so
  Processor without_prefix_;  // never does
  Vocabulary vocabulary_;
  std::vector<TokenFinder::Entry> found_in_text_;
  std::unordered_set<std::int32_t> special_;
  TokenFinder finder_;
  Decoder decoder_;
  std::optional<std::int32_t> bos_, eos_;  // what is put before and behind a text
  bool legacy_ = false;                    // a space also after every special token
};

}  // namespace lowp::tokenizer
