#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tokenizer/json_field.h"

namespace lowp::tokenizer {

// The `decoder` of tokenizer.json: steps that turn tokens back into text.
class Decoder {
 public:
  Decoder() = default;  // puts a space between tokens
  explicit Decoder(const JsonField& field);

  std::string operator()(std::vector<std::string> tokens) const;

 private:
  std::vector<std::function<void(std::vector<std::string>&)>> steps_;
  bool joins_with_space_ = true;
};

}  // namespace lowp::tokenizer
