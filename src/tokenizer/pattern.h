#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/json_field.h"
#include "tokenizer/regex.h"

namespace lowp::tokenizer {

// {"String": ...} or {"Regex": ...} of tokenizer.json.
class Pattern {
 public:
  explicit Pattern(const JsonField& field);

  // Appends the matches from left to right, not overlapping.
  void find_all(std::string_view text, std::vector<Range>& matches) const;

  std::string replace_all(std::string_view text, std::string_view content) const;

 private:
  std::variant<std::string, Regex> pattern_;
};

}  // namespace lowp::tokenizer
