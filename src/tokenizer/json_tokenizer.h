#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"

namespace lowp::tokenizer {

// A tokenizer.json. Its fields `truncation` and `padding` are not used: they belong to a batch, and
// transformers too sets both anew at every call.
class JsonTokenizer {
 public:
  explicit JsonTokenizer(const JsonField& root);

  // The text must be UTF-8.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens) const;
  std::string decode(const std::vector<std::int32_t>& ids, bool skip_special_tokens) const;

  std::int64_t vocabulary_size() const;
  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(std::int32_t id) const;

 private:
  void read_added(const JsonField& field);
  void encode_segment(std::string_view text, bool starts_input, BpeState& state,
                      std::vector<std::int32_t>& ids) const;

  Bpe model_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  PostProcessor post_processor_;
  Decoder decoder_;
  Vocabulary added_;
  std::size_t added_only_ = 0;                             // added tokens that model.vocab lacks
  std::unordered_map<std::int32_t, std::string> decoded_;  // of added tokens that are normalized
  std::unordered_set<std::string> special_;
  TokenFinder raw_tokens_, normalized_tokens_;
};

}  // namespace lowp::tokenizer
