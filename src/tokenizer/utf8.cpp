#include "tokenizer/utf8.h"

#include <cstring>

namespace lowp::tokenizer {
namespace {

// A well-formed sequence, or the longest start of one and what is wrong with the rest.
struct Sequence {
  std::size_t length;
  bool valid;
};

bool between(unsigned char byte, unsigned low, unsigned high) {
  return byte >= low && byte <= high;
}

// Table 3-7 of the Unicode standard; `text` is not empty.
Sequence first_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (!between(lead, 0xC2, 0xF4)) return {1, false};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (text.size() < 2 || !between(byte(1), low, high)) return {1, false};
  for (std::size_t i = 2; i < length; ++i) {
    if (text.size() <= i || !between(byte(i), 0x80, 0xBF)) return {i, false};
  }
  return {length, true};
}

}  // namespace

void append_utf8(std::string& text, std::uint32_t code_point) {
  const auto continuation = [&](int shift) {
    text.push_back(static_cast<char>(0x80 | ((code_point >> shift) & 0x3F)));
  };
  if (code_point < 0x80) {
    text.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    text.push_back(static_cast<char>(0xC0 | (code_point >> 6)));
    continuation(0);
  } else if (code_point < 0x10000) {
    text.push_back(static_cast<char>(0xE0 | (code_point >> 12)));
    continuation(6);
    continuation(0);
  } else {
    text.push_back(static_cast<char>(0xF0 | (code_point >> 18)));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const auto low_bits = [&](std::size_t i) { return static_cast<std::uint32_t>(byte(i) & 0x3F); };
  const std::uint32_t lead = byte(0);
  std::uint32_t code_point = lead;
  std::size_t length = 1;
  if (lead >= 0xF0) {
    code_point = (lead & 0x07) << 18 | low_bits(1) << 12 | low_bits(2) << 6 | low_bits(3);
    length = 4;
  } else if (lead >= 0xE0) {
    code_point = (lead & 0x0F) << 12 | low_bits(1) << 6 | low_bits(2);
    length = 3;
  } else if (lead >= 0xC0) {
    code_point = (lead & 0x1F) << 6 | low_bits(1);
    length = 2;
  }
  at += length;
  return code_point;
}

std::size_t find_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;  // ASCII, eight bytes a step
    if (text.size() - at >= 8) {
      std::memcpy(&eight, text.data() + at, 8);
      if ((eight & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    const Sequence sequence = first_sequence(text.substr(at));
    if (!sequence.valid) return at;
    at += sequence.length;
  }
  return std::string_view::npos;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string replaced;
  while (!text.empty()) {
    const std::size_t bad = find_invalid_utf8(text);
    if (bad == std::string_view::npos) break;
    replaced += text.substr(0, bad);
    replaced += "\uFFFD";
    text.remove_prefix(bad + first_sequence(text.substr(bad)).length);
  }
  return replaced += text;
}

}  // namespace lowp::tokenizer
