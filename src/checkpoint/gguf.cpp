#include "checkpoint/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "checkpoint/gguf_cursor.h"
#include "checkpoint/gguf_value.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies in memory");

constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint32_t kMaxDimensions = 4;  // GGML_MAX_DIMS
constexpr std::size_t kMinEntryBytes = 13;   // key length, value type, one byte
constexpr std::size_t kMinTensorBytes = 24;  // name length, dimensions, type, offset

struct Counts {
  std::uint64_t tensors;
  std::uint64_t entries;
};

// A tensor of the header, before its data is looked up.
struct TensorHeader {
  GgufTensor tensor;
  std::uint64_t offset;  // from the start of the data section
  std::uint64_t bytes;
};

std::uint32_t read_version(GgufCursor& cursor) {
  const auto magic = cursor.read<std::uint32_t>("magic");
  if (magic != 0x46554747) {
    cursor.fail(fmt::format("magic is {:#010x}, expected 0x46554747 ('GGUF')", magic));
  }
  const auto version = cursor.read<std::uint32_t>("version");
  if (version != 0 && (version & 0xFFFF) == 0) {
    cursor.fail(
        fmt::format("version is {:#010x}: a big-endian file, expected little-endian", version));
  }
  if (version != 2 && version != 3) {
    cursor.fail(fmt::format("version is {}, expected 2 or 3", version));
  }
  return version;
}

Counts read_counts(GgufCursor& cursor) {
  Counts counts{};
  counts.tensors = cursor.read<std::uint64_t>("tensor count");
  counts.entries = cursor.read<std::uint64_t>("metadata count");
  cursor.require_count(counts.tensors, kMinTensorBytes, "tensor count");
  cursor.require_count(counts.entries, kMinEntryBytes, "metadata count");
  return counts;
}

GgufMetadataEntry read_entry(GgufCursor& cursor) {
  GgufMetadataEntry entry{};
  entry.key = cursor.read_string("key");
  if (entry.key.empty()) cursor.fail("key is empty");
  cursor.set_name(entry.key);
  entry.type = cursor.read_value_type("value type");
  entry.offset = cursor.offset();
  if (entry.type == GgufValueType::kArray) {
    GgufCursor array = cursor;
    entry.element_type = array.read_value_type("array element type");
    entry.element_count = array.read<std::uint64_t>("array length");
  }
  check_gguf_value(cursor, entry.type);
  return entry;
}

// Element count of `shape`, in the file's order: fastest dimension first.
std::uint64_t read_shape(GgufCursor& cursor, std::vector<std::int64_t>& shape) {
  const auto rank = cursor.read<std::uint32_t>("dimension count");
  if (rank > kMaxDimensions) {
    cursor.fail(fmt::format("dimension count is {}, expected at most {}", rank, kMaxDimensions));
  }
  std::int64_t elements = 1;
  for (std::uint32_t i = 0; i < rank; ++i) {
    const auto size = cursor.read<std::int64_t>("dimension");
    if (size <= 0) cursor.fail(fmt::format("dimension {} is {}, expected 1 or more", i, size));
    if (__builtin_mul_overflow(elements, size, &elements)) {
      cursor.fail(fmt::format("dimension {} is {}: the element count overflows 63 bits", i, size));
    }
    shape.push_back(size);
  }
  return static_cast<std::uint64_t>(elements);
}

TensorHeader read_tensor(GgufCursor& cursor, std::uint64_t alignment) {
  TensorHeader header{};
  GgufTensor& tensor = header.tensor;
  tensor.name = cursor.read_string("name");
  if (tensor.name.empty()) cursor.fail("name is empty");
  cursor.set_name(tensor.name);
  const std::uint64_t elements = read_shape(cursor, tensor.shape);

  const auto id = cursor.read<std::uint32_t>("type");
  const std::optional<GgufTypeInfo> info = gguf_type_info(id);
  if (!info) cursor.fail(fmt::format("type is {}, expected a type id of ggml", id));
  tensor.type = static_cast<GgufType>(id);
  const std::uint64_t row = tensor.shape.empty() ? 1 : static_cast<std::uint64_t>(tensor.shape[0]);
  if (row % info->block_elements != 0) {
    cursor.fail(fmt::format("rows of {} elements do not divide into {} blocks of {}", row,
                            info->name, info->block_elements));
  }
  if (__builtin_mul_overflow(elements / info->block_elements, std::uint64_t{info->block_bytes},
                             &header.bytes)) {
    cursor.fail(fmt::format("{} elements of {} overflow 64 bits", elements, info->name));
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end());

  header.offset = cursor.read<std::uint64_t>("offset");
  if (header.offset % alignment != 0) {
    cursor.fail(fmt::format("offset is {}, expected a multiple of the alignment {}", header.offset,
                            alignment));
  }
  return header;
}

// Sets tensor.data of each; `start` is the offset of the data section.
void locate(GgufCursor& cursor, std::vector<TensorHeader>& headers, std::uint64_t start,
            std::span<const std::byte> bytes) {
  const std::uint64_t available = start < bytes.size() ? bytes.size() - start : 0;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    TensorHeader& header = headers[i];
    cursor.enter("tensor", i);
    cursor.set_name(header.tensor.name);
    if (header.offset > available || header.bytes > available - header.offset) {
      cursor.fail(fmt::format("offset is {}, with {} bytes, but the data section has {}",
                              header.offset, header.bytes, available));
    }
    header.tensor.data = bytes.subspan(start + header.offset, header.bytes);
  }

  std::vector<std::size_t> order(headers.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return headers[a].offset < headers[b].offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const TensorHeader& before = headers[order[i - 1]];
    const TensorHeader& header = headers[order[i]];
    if (before.offset + before.bytes > header.offset) {
      cursor.enter("tensor", order[i]);
      cursor.set_name(header.tensor.name);
      cursor.fail(fmt::format("offset is {}, but tensor '{}' ends at {}", header.offset,
                              printable(before.tensor.name), before.offset + before.bytes));
    }
  }
}

}  // namespace

std::int64_t GgufTensor::element_count() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

Gguf::Gguf(const std::filesystem::path& path) : file_(path) {
  GgufCursor cursor(file_.bytes(), path.string());
  version_ = read_version(cursor);
  const Counts counts = read_counts(cursor);

  for (std::uint64_t i = 0; i < counts.entries; ++i) {
    cursor.enter("metadata", i);
    entries_.push_back(read_entry(cursor));
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    cursor.enter("metadata", i);
    cursor.set_name(entries_[i].key);
    if (!entry_index_.emplace(entries_[i].key, i).second) cursor.fail("key occurs twice");
  }
  alignment_ = read_alignment();

  std::vector<TensorHeader> headers;
  for (std::uint64_t i = 0; i < counts.tensors; ++i) {
    cursor.enter("tensor", i);
    headers.push_back(read_tensor(cursor, alignment_));
  }
  const std::uint64_t start = (cursor.offset() + alignment_ - 1) / alignment_ * alignment_;
  locate(cursor, headers, start, file_.bytes());

  tensors_.reserve(headers.size());
  for (TensorHeader& header : headers) tensors_.push_back(std::move(header.tensor));
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    cursor.enter("tensor", i);
    cursor.set_name(tensors_[i].name);
    if (!tensor_index_.emplace(tensors_[i].name, i).second) cursor.fail("name occurs twice");
  }
}

std::uint64_t Gguf::read_alignment() const {
  const auto found = entry_index_.find("general.alignment");
  if (found == entry_index_.end()) return kDefaultAlignment;
  const GgufMetadataEntry& entry = entries_[found->second];
  GgufCursor cursor(file_.bytes(), path().string(), entry.offset);
  cursor.enter("metadata", found->second);
  cursor.set_name(entry.key);
  if (entry.type != GgufValueType::kUint32) {
    cursor.fail(fmt::format("type is {}, expected u32",
                            *gguf_value_type_name(static_cast<std::uint32_t>(entry.type))));
  }
  const auto alignment = cursor.read<std::uint32_t>("value");
  if (!std::has_single_bit(alignment)) {
    cursor.fail(fmt::format("value is {}, expected a power of two", alignment));
  }
  return alignment;
}

const GgufTensor* Gguf::find(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

bool Gguf::contains(std::string_view key) const { return entry_index_.contains(key); }

nlohmann::ordered_json Gguf::value(std::string_view key) const {
  const auto found = entry_index_.find(key);
  if (found == entry_index_.end()) {
    throw Error(fmt::format("[gguf] '{}': metadata '{}' is missing", path().string(), key));
  }
  const GgufMetadataEntry& entry = entries_[found->second];
  GgufCursor cursor(file_.bytes(), path().string(), entry.offset);
  return read_gguf_value(cursor, entry.type);
}

nlohmann::ordered_json Gguf::metadata() const {
  nlohmann::ordered_json::object_t values;
  for (const GgufMetadataEntry& entry : entries_) {
    GgufCursor cursor(file_.bytes(), path().string(), entry.offset);
    values.emplace_back(entry.key, read_gguf_value(cursor, entry.type));
  }
  return values;
}

}  // namespace lowp::checkpoint
