#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lowp::tokenizer {

// Appends the UTF-8 form of a code point.
void append_utf8(std::string& text, std::uint32_t code_point);

// The code point at `at`, which is moved behind it. The text must be valid there.
std::uint32_t next_code_point(std::string_view text, std::size_t& at);

// Where the text stops being UTF-8 (no surrogates, no overlong forms); npos if it never does.
std::size_t find_invalid_utf8(std::string_view text);

// Each maximal part of an ill-formed sequence becomes one U+FFFD, as Unicode recommends.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace lowp::tokenizer
