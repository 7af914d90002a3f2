#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lowp::tokenizer {

// Properties of code points, as the `tokenizers` package sees them.
bool is_space(std::uint32_t code_point);    // White_Space
bool is_word(std::uint32_t code_point);     // \w of UTS #18: letters, marks, digits, _ and joiners
bool is_numeric(std::uint32_t code_point);  // Nd, Nl, No
bool is_punctuation(std::uint32_t code_point);  // P*, and ASCII symbols

enum class NormalForm : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };

std::string normalized(std::string_view text, NormalForm form);
std::string lowercase(std::string_view text);

// Lengths in bytes of the white space that the text starts and ends with.
std::size_t leading_space(std::string_view text);
std::size_t trailing_space(std::string_view text);

}  // namespace lowp::tokenizer
