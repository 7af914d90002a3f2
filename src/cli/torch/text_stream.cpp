#include "cli/torch/text_stream.h"

#include <algorithm>

namespace lowp::cli {
namespace {

// Enough of the prompt to tell whether its last token ends in the middle of a word.
constexpr std::size_t kContext = 4;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD: an incomplete character
constexpr std::size_t kLongestCharacter = 4;               // tokens of one byte each

}  // namespace

TextStream::TextStream(const tokenizer::Tokenizer& tokenizer, std::vector<std::int32_t> prompt)
    : tokenizer_(tokenizer),
      tokens_(std::move(prompt)),
      context_begin_(tokens_.size() - std::min(tokens_.size(), kContext)),
      printed_end_(tokens_.size()) {}

std::string TextStream::decode(std::size_t begin, std::size_t end) const {
  const auto at = [&](std::size_t i) { return tokens_.begin() + static_cast<std::ptrdiff_t>(i); };
  return tokenizer_.decode({at(begin), at(end)}, /*skip_special_tokens=*/true);
}

std::string TextStream::add(std::int32_t token) {
  tokens_.push_back(token);
  const std::string all = decode(context_begin_, tokens_.size());
  // After four tokens it is no character under way but text that is not UTF-8.
  if (all.ends_with(kReplacement) && tokens_.size() - printed_end_ < kLongestCharacter) return "";
  return finish();
}

std::string TextStream::finish() {
  const std::string before = decode(context_begin_, printed_end_);
  const std::string all = decode(context_begin_, tokens_.size());
  context_begin_ = printed_end_;
  printed_end_ = tokens_.size();
  return all.size() > before.size() ? all.substr(before.size()) : "";
}

}  // namespace lowp::cli
