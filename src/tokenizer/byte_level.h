#pragma once

#include <string>
#include <string_view>

namespace lowp::tokenizer {

// GPT-2's alphabet: every byte has a visible character, itself where it is visible, else one from
// U+0100 on.
void append_byte_level(std::string_view bytes, std::string& out);

// The bytes that `token` stands for; `token` itself if a character of it is not of the alphabet.
std::string bytes_of(std::string_view token);

// GPT-2's pattern for words, numbers, punctuation and space (openai/gpt-2, encoder.py).
extern const char* const kGpt2Pattern;

}  // namespace lowp::tokenizer
