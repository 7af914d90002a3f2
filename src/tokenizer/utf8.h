#pragma once

#include <cstdint>
#include <string>

namespace lowp::tokenizer {

// Appends the UTF-8 form of a code point.
void append_utf8(std::string& text, std::uint32_t code_point);

}  // namespace lowp::tokenizer
