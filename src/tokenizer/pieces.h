#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/regex.h"

namespace lowp::tokenizer {

// A text cut into pieces, none of them empty; what a cut removed lies between them.
struct Pieces {
  std::string text;
  std::vector<Range> ranges;
  bool starts_input;  // the first piece is where the user's text starts

  std::string_view piece(const Range& range) const {
    return std::string_view(text).substr(range.begin, range.end - range.begin);
  }
};

// What becomes of the matches of a cut, as the `tokenizers` package names it.
enum class Behavior : std::uint8_t {
  kRemoved,
  kIsolated,
  kMergedWithPrevious,
  kMergedWithNext,
  kContiguous
};

// Appends the matches within one piece: ranges from its start, in order.
using FindMatches = std::function<void(std::string_view piece, std::vector<Range>& matches)>;

// Cuts every piece at its matches; with `invert`, at what lies between them.
void split(Pieces& pieces, const FindMatches& find, Behavior behavior, bool invert);

// Replaces every piece by what `append` writes for it.
void rewrite(
    Pieces& pieces,
    const std::function<void(std::size_t index, std::string_view piece, std::string& out)>& append);

}  // namespace lowp::tokenizer
