#pragma once

#include <functional>
#include <vector>

#include "tokenizer/json_field.h"
#include "tokenizer/pieces.h"

namespace lowp::tokenizer {

// The `pre_tokenizer` of tokenizer.json: steps that cut a text into words and rewrite them.
class PreTokenizer {
 public:
  PreTokenizer() = default;  // one word
  explicit PreTokenizer(const JsonField& field);

  void operator()(Pieces& pieces) const;

 private:
  std::vector<std::function<void(Pieces&)>> steps_;
};

}  // namespace lowp::tokenizer
