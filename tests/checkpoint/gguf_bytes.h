// Lays out GGUF files byte by byte, right or wrong, for tests.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/gguf_types.h"

namespace lowp::checkpoint {

class GgufBytes {
 public:
  template <class T>
  GgufBytes& put(T value) {
    const auto* bytes = reinterpret_cast<const char*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof(T));
    return *this;
  }
  GgufBytes& string(std::string_view text) {
    put<std::uint64_t>(text.size());
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  GgufBytes& header(std::uint64_t tensors, std::uint64_t entries, std::uint32_t version = 3) {
    return put<std::uint32_t>(0x46554747).put(version).put(tensors).put(entries);
  }
  GgufBytes& key(std::string_view name, GgufValueType type) {
    return string(name).put(static_cast<std::uint32_t>(type));
  }
  // Dimensions fastest first, as in the file.
  GgufBytes& tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                    std::uint32_t type, std::uint64_t offset) {
    string(name).put(static_cast<std::uint32_t>(dims.size()));
    for (const std::int64_t size : dims) put(size);
    return put(type).put(offset);
  }
  GgufBytes& align(std::size_t alignment) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(0);
    return *this;
  }
  GgufBytes& zeros(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }

  std::size_t size() const { return bytes_.size(); }
  std::vector<char>& bytes() { return bytes_; }

 private:
  std::vector<char> bytes_;
};

// A file that goes away with the test.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_(std::filesystem::temp_directory_path() /
              ("lowp_gguf_" + std::to_string(::getpid()) + ".gguf")) {}
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::filesystem::path& write(const char* data, std::size_t size) {
    std::ofstream(path_, std::ios::binary).write(data, static_cast<std::streamsize>(size));
    return path_;
  }
  const std::filesystem::path& write(const std::vector<char>& bytes) {
    return write(bytes.data(), bytes.size());
  }

 private:
  std::filesystem::path path_;
};

}  // namespace lowp::checkpoint
