// GGUF, versions 2 and 3, little-endian, memory mapped. Source of the layout: gguf.h and ggml.h of
// ggml, gguf_reader.py of the `gguf` package.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/gguf_types.h"
#include "checkpoint/mapped_file.h"

namespace lowp::checkpoint {

struct GgufTensor {
  std::string name;
  GgufType type;
  std::vector<std::int64_t> shape;  // outermost dimension first, as PyTorch has it
  std::span<const std::byte> data;  // in the mapped file

  std::int64_t element_count() const;
};

// A key and its value; an array is not read until it is asked for.
struct GgufMetadataEntry {
  std::string key;
  GgufValueType type;
  std::size_t offset;           // of the value in the file
  GgufValueType element_type;   // of an array
  std::uint64_t element_count;  // of an array
};

// Opening checks every field of the header: counts, lengths, types, UTF-8, alignment, offsets,
// overlaps, duplicate names. Throws lowp::Error that names the file, the field and its value.
class Gguf {
 public:
  explicit Gguf(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  std::uint32_t version() const { return version_; }
  std::uint64_t alignment() const { return alignment_; }

  std::span<const GgufTensor> tensors() const { return tensors_; }
  const GgufTensor* find(std::string_view name) const;  // nullptr if there is none

  std::span<const GgufMetadataEntry> entries() const { return entries_; }
  bool contains(std::string_view key) const;
  // The value of `key` as JSON; throws lowp::Error that names the key if there is none.
  nlohmann::ordered_json value(std::string_view key) const;
  // All keys in the file's order. Reads every array: tens of ms with a large vocabulary.
  nlohmann::ordered_json metadata() const;

 private:
  std::uint64_t read_alignment() const;

  MappedFile file_;
  std::uint32_t version_ = 0;
  std::uint64_t alignment_ = 0;
  std::vector<GgufMetadataEntry> entries_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> entry_index_;   // views of entries_' keys
  std::unordered_map<std::string_view, std::size_t> tensor_index_;  // views of tensors_' names
};

}  // namespace lowp::checkpoint
