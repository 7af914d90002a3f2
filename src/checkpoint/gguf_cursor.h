// Reads the fields of a GGUF header one after another, each checked against the end of the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "checkpoint/gguf_types.h"

namespace lowp::checkpoint {

class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, std::string file, std::size_t offset = 0)
      : bytes_(bytes), file_(std::move(file)), offset_(offset) {}

  std::size_t offset() const { return offset_; }
  std::size_t remaining() const { return bytes_.size() - offset_; }

  // What the next fields belong to; errors name it: "tensor 3 'blk.0.attn_q.weight'".
  void enter(const char* kind, std::uint64_t index);
  void set_name(std::string_view name) { name_ = name; }
  void leave() { kind_ = nullptr; }

  // A little-endian number.
  template <class T>
  T read(std::string_view field) {
    require(sizeof(T), field);
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }
  // u64 length, then that many bytes of UTF-8.
  std::string_view read_string(std::string_view field);
  GgufValueType read_value_type(std::string_view field);
  void skip(std::size_t count, std::string_view field);

  // Throws unless `count` items of at least `min_bytes` each fit into what is left of the file.
  void require_count(std::uint64_t count, std::size_t min_bytes, std::string_view field) const;

  // lowp::Error: [gguf] 'file': tensor 3 'name': problem
  [[noreturn]] void fail(std::string_view problem) const;

 private:
  void require(std::size_t count, std::string_view field) const;

  std::span<const std::byte> bytes_;
  std::string file_;
  std::size_t offset_;
  const char* kind_ = nullptr;
  std::uint64_t index_ = 0;
  std::string_view name_;
};

// Text from a file as it may be shown: control characters as \x1b, long text cut.
std::string printable(std::string_view text);

}  // namespace lowp::checkpoint
