#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tokenizer/json_field.h"

namespace lowp::tokenizer {

// The `normalizer` of tokenizer.json: steps that rewrite a text, in order.
class Normalizer {
 public:
  Normalizer() = default;  // changes nothing
  explicit Normalizer(const JsonField& field);

  std::string operator()(std::string text) const;

 private:
  std::vector<std::function<std::string(std::string)>> steps_;
};

}  // namespace lowp::tokenizer
