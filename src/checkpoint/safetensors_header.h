// The header of a safetensors file as data: parsed from bytes that nobody has checked, or laid out
// for tensors that are still to be written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/dtype.h"

namespace lowp::checkpoint {

// The reference implementation refuses longer headers.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

struct TensorSpec {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
};

// Bytes of a contiguous tensor. Throws lowp::Error if a dimension is negative, the product
// overflows or a sub-byte dtype does not fill whole bytes; `what` names the tensor in the message.
std::uint64_t byte_size(DType dtype, std::span<const std::int64_t> shape, std::string_view what);

struct TensorEntry {
  TensorSpec spec;
  std::uint64_t begin;  // relative to the data's start
  std::uint64_t end;
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
  std::uint64_t data_begin;  // in the file
};

// `file` is the whole file, `path` names it in errors.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, std::string_view path);

struct SafetensorsLayout {
  std::string header;  // length, JSON, padding: everything before the data
  std::vector<TensorEntry> tensors;
  std::uint64_t file_size;
};

// The order of the reference writer: widest dtype first, then by name. Throws on a duplicate name.
SafetensorsLayout layout_safetensors(std::vector<TensorSpec> tensors,
                                     const std::map<std::string, std::string>& metadata);

}  // namespace lowp::checkpoint
