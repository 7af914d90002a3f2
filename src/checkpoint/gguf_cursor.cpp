#include "checkpoint/gguf_cursor.h"

#include <fmt/format.h>

#include <array>

#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

// Bytes of the UTF-8 sequence that begins at text[0], 0 if it is not one: overlong forms,
// surrogates and code points above U+10FFFF are not UTF-8.
std::size_t utf8_sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
  const bool too_large = lead == 0xF4 && byte(1) >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

// The offset of the first byte that is not UTF-8, text.size() if there is none.
std::size_t find_invalid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t length = utf8_sequence_length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return i;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kMaxBytes = 200;
  std::string shown;
  for (std::size_t i = 0; i < text.size();) {
    if (shown.size() > kMaxBytes) return shown + "...";
    const std::size_t length = utf8_sequence_length(text.substr(i));
    const auto first = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters too.
    const bool control =
        first < 0x20 || first == 0x7F ||
        (first == 0xC2 && length == 2 && static_cast<unsigned char>(text[i + 1]) < 0xA0);
    if (length == 0 || control) {
      shown += fmt::format("\\x{:02x}", first);
      ++i;
    } else {
      shown += text.substr(i, length);
      i += length;
    }
  }
  return shown;
}

void GgufCursor::enter(const char* kind, std::uint64_t index) {
  kind_ = kind;
  index_ = index;
  name_ = {};
}

std::string_view GgufCursor::read_string(std::string_view field) {
  const auto length = read<std::uint64_t>(field);
  if (length > remaining()) {
    fail(fmt::format("{} has length {}, but {} bytes are left in the file", field, length,
                     remaining()));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + offset_), length);
  if (const std::size_t bad = find_invalid_utf8(text); bad != text.size()) {
    fail(fmt::format("{} is not UTF-8: byte {} of '{}'", field, bad, printable(text)));
  }
  offset_ += length;
  return text;
}

GgufValueType GgufCursor::read_value_type(std::string_view field) {
  const auto id = read<std::uint32_t>(field);
  if (!gguf_value_type_name(id)) fail(fmt::format("{} is {}, expected 0 to 12", field, id));
  return static_cast<GgufValueType>(id);
}

void GgufCursor::skip(std::size_t count, std::string_view field) {
  require(count, field);
  offset_ += count;
}

void GgufCursor::require_count(std::uint64_t count, std::size_t min_bytes,
                               std::string_view field) const {
  if (count > remaining() / min_bytes) {
    fail(fmt::format("{} is {}, but {} bytes are left in the file and each takes {} or more", field,
                     count, remaining(), min_bytes));
  }
}

void GgufCursor::require(std::size_t count, std::string_view field) const {
  if (count > remaining()) {
    fail(fmt::format("{} needs {} bytes at offset {}, but the file ends at {}", field, count,
                     offset_, bytes_.size()));
  }
}

void GgufCursor::fail(std::string_view problem) const {
  std::string where = fmt::format("[gguf] '{}': ", file_);
  if (kind_ != nullptr) {
    where += fmt::format("{} {}", kind_, index_);
    if (!name_.empty()) where += fmt::format(" '{}'", printable(name_));
    where += ": ";
  }
  throw Error(where.append(problem));
}

}  // namespace lowp::checkpoint
