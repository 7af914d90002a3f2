#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/json_field.h"

namespace lowp::tokenizer {

// A token that is found in the text before anything else looks at it.
struct AddedToken {
  std::string content;
  std::int32_t id = -1;
  bool special = false;     // skipped when decoding on demand
  bool normalized = false;  // looked for in the normalized text
  bool left_strip = false, right_strip = false, single_word = false;
};

std::vector<AddedToken> read_added_tokens(const JsonField& field);

// Part of a text: a token that was found, or what lies between two.
struct Segment {
  std::string_view text;
  std::optional<std::int32_t> id;
};

// Looks for many tokens at once, the leftmost first and of those the longest.
class TokenFinder {
 public:
  struct Entry {
    std::string text;  // not empty
    AddedToken token;
  };

  TokenFinder() = default;  // finds nothing
  explicit TokenFinder(std::vector<Entry> entries);

  // Segments that are not empty.
  std::vector<Segment> split(std::string_view text) const;

 private:
  const Entry* longest_at(std::string_view text) const;

  std::vector<Entry> entries_;  // sorted by text
  std::array<bool, 256> starts_{};
};

}  // namespace lowp::tokenizer
