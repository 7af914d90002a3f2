#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tokenizer/json_field.h"
#include "tokenizer/vocabulary.h"

namespace lowp::tokenizer {

// The `post_processor` of tokenizer.json: what is put around the ids of a text, such as BOS.
class PostProcessor {
 public:
  PostProcessor() = default;  // nothing
  explicit PostProcessor(const JsonField& field);

  std::vector<std::int32_t> operator()(std::vector<std::int32_t> ids) const;

 private:
  using Piece = std::optional<std::vector<std::int32_t>>;  // special tokens, or the text

  void append(const JsonField& field, int depth);
  static std::vector<Piece> read_template(const JsonField& field);

  std::vector<std::vector<Piece>> templates_;
};

}  // namespace lowp::tokenizer
