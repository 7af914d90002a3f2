#include "tokenizer/byte_fallback.h"

#include <charconv>

namespace lowp::tokenizer {

std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned byte = 0;
  const char* const last = token.data() + 5;
  const auto [end, error] = std::from_chars(token.data() + 3, last, byte, 16);
  if (error != std::errc() || end != last) return std::nullopt;
  return static_cast<char>(byte);
}

}  // namespace lowp::tokenizer
