#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"
#include "tokenizer/vocabulary.h"

namespace lowp::tokenizer {
namespace {

bool starts_with_word(std::string_view text) {
  std::size_t at = 0;
  return !text.empty() && is_word(next_code_point(text, at));
}

bool ends_with_word(std::string_view text) {
  if (text.empty()) return false;
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return starts_with_word(text.substr(at));
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const JsonField& field) {
  std::vector<AddedToken> tokens;
  for (const JsonField& entry : field.elements()) {
    entry.allow_only({"id", "content", "special", "normalized", "lstrip", "rstrip", "single_word"});
    const bool special = entry.boolean_or("special", false);
    tokens.push_back({.content = entry.at("content").string(),
                      .id = static_cast<std::int32_t>(entry.at("id").integer(0, kLargestId)),
                      .special = special,
                      .normalized = entry.boolean_or("normalized", !special),
                      .left_strip = entry.boolean_or("lstrip", false),
                      .right_strip = entry.boolean_or("rstrip", false),
                      .single_word = entry.boolean_or("single_word", false)});
    if (tokens.back().content.empty()) entry.at("content").fail("is empty");
  }
  return tokens;
}

TokenFinder::TokenFinder(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.text < b.text; });
  for (const Entry& entry : entries_) starts_[static_cast<unsigned char>(entry.text[0])] = true;
}

// The sorted entries that share a prefix with the text are a range that each byte narrows.
const TokenFinder::Entry* TokenFinder::longest_at(std::string_view text) const {
  if (!starts_[static_cast<unsigned char>(text[0])]) return nullptr;
  const Entry* longest = nullptr;
  auto first = entries_.begin(), last = entries_.end();
  for (std::size_t depth = 0; depth < text.size() && first != last; ++depth) {
    const auto byte_at = [&](const Entry& entry) {
      return entry.text.size() <= depth ? -1 : static_cast<unsigned char>(entry.text[depth]);
    };
    const int byte = static_cast<unsigned char>(text[depth]);
    first = std::partition_point(first, last, [&](const Entry& e) { return byte_at(e) < byte; });
    last = std::partition_point(first, last, [&](const Entry& e) { return byte_at(e) == byte; });
    // The shortest of them comes first.
    if (first != last && first->text.size() == depth + 1) longest = &*first;
  }
  return longest;
}

std::vector<Segment> TokenFinder::split(std::string_view text) const {
  std::vector<Segment> segments;
  std::size_t done = 0;
  const auto add_text = [&](std::size_t end) {
    if (done < end) segments.push_back({text.substr(done, end - done), std::nullopt});
  };
  for (std::size_t at = 0; at < text.size();) {
    const Entry* found = longest_at(text.substr(at));
    if (found == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + found->text.size();
    at = end;
    const AddedToken& token = found->token;
    if (token.single_word &&
        (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) {
      continue;
    }
    if (token.left_strip) begin = std::max(done, begin - trailing_space(text.substr(0, begin)));
    if (token.right_strip) end += leading_space(text.substr(end));
    add_text(begin);
    segments.push_back({text.substr(begin, end - begin), token.id});
    done = at = std::max(at, end);
  }
  add_text(text.size());
  return segments;
}

}  // namespace lowp::tokenizer
