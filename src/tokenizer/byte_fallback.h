#pragma once

#include <optional>
#include <string_view>

namespace lowp::tokenizer {

// The byte that a token such as <0x0A> stands for.
std::optional<char> fallback_byte(std::string_view token);

}  // namespace lowp::tokenizer
