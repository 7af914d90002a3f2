#include "checkpoint/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is used in place");

using Json = nlohmann::json;

// Long or binary text from a hostile file must not flood a terminal.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 100)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return text.size() > 100 ? out + "..." : out;
}

// Reads the header's JSON as a stream of events. Its form is fixed, so each event is checked
// against the one place where it may stand; nothing is built that the form does not have.
//   {"__metadata__": {string: string}, name: {"dtype": string, "shape": [int], "data_offsets":
//   [b,e]}}
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(SafetensorsHeader& header, std::string_view path) : header_(header), path_(path) {}

  bool null() override { return unexpected("null"); }
  bool boolean(bool value) override { return unexpected(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override {
    return unexpected(fmt::format("{}", value));
  }
  bool number_float(number_float_t, const string_t& text) override { return unexpected(text); }
  bool binary(binary_t&) override { return unexpected("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kShape && place_ != Place::kOffsets) {
      return unexpected(fmt::format("{}", value));
    }
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      fail(fmt::format("{} of tensor '{}' has a number out of range, got {}", shown(field_),
                       shown(name_), value));
    }
    (place_ == Place::kShape ? shape_ : offsets_).push_back(static_cast<std::int64_t>(value));
    if (place_ == Place::kOffsets && offsets_.size() > 2) return unexpected("a third offset");
    if (place_ == Place::kShape && shape_.size() > 64) return unexpected("a 65th dimension");
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      if (!header_.metadata.emplace(field_, value).second) {
        fail(fmt::format("__metadata__ has the key '{}' twice", shown(field_)));
      }
      return true;
    }
    if (place_ != Place::kTensor || field_ != "dtype") return unexpected("\"" + value + "\"");
    dtype_ = dtype_from_name(value);
    if (!dtype_) {
      fail(fmt::format("tensor '{}' has an unknown dtype, got '{}'", shown(name_), shown(value)));
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && name_ == "__metadata__") {
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      place_ = Place::kTensor;
      dtype_.reset();
      seen_.clear();
      shape_.clear();
      offsets_.clear();
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) finish_tensor();
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }

  bool key(string_t& key) override {
    if (place_ == Place::kTop) {
      name_ = key;
      if (!names_.insert(key).second) fail(fmt::format("the name '{}' is there twice", shown(key)));
      return true;
    }
    field_ = key;
    if (place_ == Place::kMetadata) return true;
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      fail(fmt::format("tensor '{}' has an unknown field '{}'", shown(name_), shown(key)));
    }
    if (!seen_.insert(key).second) {
      fail(fmt::format("tensor '{}' has the field '{}' twice", shown(name_), shown(key)));
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::kTensor && field_ == "shape") {
      place_ = Place::kShape;
    } else if (place_ == Place::kTensor && field_ == "data_offsets") {
      place_ = Place::kOffsets;
    } else {
      return unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    fail(fmt::format("the header is not valid JSON at byte {}: {}", position, shown(error.what())));
  }

  [[noreturn]] void fail(std::string_view problem) const {
    throw Error(fmt::format("[read safetensors] '{}': {}", path_, problem));
  }

 private:
  enum class Place : std::uint8_t { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  bool unexpected(std::string_view what) const {
    if (place_ == Place::kStart || place_ == Place::kEnd) {
      fail(fmt::format("the header is not a JSON object, got {}", shown(what)));
    }
    if (place_ == Place::kTop) {
      fail(fmt::format("'{}' is not an object, got {}", shown(name_), shown(what)));
    }
    const std::string owner =
        place_ == Place::kMetadata ? "__metadata__" : fmt::format("tensor '{}'", shown(name_));
    fail(fmt::format("field '{}' of {} has the wrong type, got {}", shown(field_), owner,
                     shown(what)));
  }

  void finish_tensor() {
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
      if (!seen_.contains(field)) {
        fail(fmt::format("tensor '{}' lacks the field '{}'", shown(name_), field));
      }
    }
    if (offsets_.size() != 2) {
      fail(fmt::format("data_offsets of tensor '{}' has {} numbers, expected 2", shown(name_),
                       offsets_.size()));
    }
    header_.tensors.push_back({{name_, *dtype_, shape_},
                               static_cast<std::uint64_t>(offsets_[0]),
                               static_cast<std::uint64_t>(offsets_[1])});
  }

  SafetensorsHeader& header_;
  std::string_view path_;
  Place place_ = Place::kStart;
  std::set<std::string> names_;  // keys of the top level
  std::set<std::string> seen_;   // fields of the current tensor
  std::string name_;
  std::string field_;
  std::optional<DType> dtype_;
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> offsets_;
};

// Sorts by offset and checks that the data has no holes, no overlaps and no tail.
void check_offsets(SafetensorsHeader& header, std::uint64_t data_size, const HeaderReader& reader) {
  std::ranges::stable_sort(header.tensors, {}, [](const TensorEntry& entry) {
    return std::pair(entry.begin, entry.end);
  });
  std::uint64_t position = 0;
  for (const TensorEntry& entry : header.tensors) {
    const std::string name = shown(entry.spec.name);
    if (entry.begin != position || entry.end < entry.begin || entry.end > data_size) {
      reader.fail(
          fmt::format("data_offsets of tensor '{}' do not follow the tensor before or leave the "
                      "data, got [{}, {}], expected a start at {} and an end up to {}",
                      name, entry.begin, entry.end, position, data_size));
    }
    const std::uint64_t expected = byte_size(entry.spec.dtype, entry.spec.shape, name);
    if (entry.end - entry.begin != expected) {
      reader.fail(
          fmt::format("tensor '{}' has {} bytes by its data_offsets, expected {} by its "
                      "dtype and shape",
                      name, entry.end - entry.begin, expected));
    }
    position = entry.end;
  }
  if (position != data_size) {
    reader.fail(fmt::format("the file has {} bytes of data, expected {} by its header", data_size,
                            position));
  }
}

}  // namespace

std::uint64_t byte_size(DType dtype, std::span<const std::int64_t> shape, std::string_view what) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t bit_count = static_cast<std::uint64_t>(bits(dtype));
  bool empty = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) {
      throw Error(fmt::format("[safetensors] shape of tensor '{}' has a negative dimension, got {}",
                              what, extent));
    }
    if (extent == 0) {
      empty = true;
      continue;
    }
    if (bit_count > kMax / static_cast<std::uint64_t>(extent)) {
      throw Error(fmt::format("[safetensors] shape of tensor '{}' overflows, got a dimension of {}",
                              what, extent));
    }
    bit_count *= static_cast<std::uint64_t>(extent);
  }
  if (empty) return 0;
  if (bit_count % 8 != 0) {
    throw Error(
        fmt::format("[safetensors] tensor '{}' of dtype {} does not fill whole bytes, got "
                    "{} bits",
                    what, name(dtype), bit_count));
  }
  return bit_count / 8;
}

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, std::string_view path) {
  SafetensorsHeader header;
  HeaderReader reader(header, path);
  std::uint64_t length = 0;
  if (file.size() < sizeof(length)) {
    reader.fail(fmt::format("the file has {} bytes, expected at least 8", file.size()));
  }
  std::memcpy(&length, file.data(), sizeof(length));
  if (length > kMaxSafetensorsHeader || length > file.size() - sizeof(length)) {
    reader.fail(
        fmt::format("header length out of range, got {}, expected at most {}", length,
                    std::min<std::uint64_t>(kMaxSafetensorsHeader, file.size() - sizeof(length))));
  }
  const auto* text = reinterpret_cast<const char*>(file.data()) + sizeof(length);
  if (length == 0 || text[0] != '{') reader.fail("the header does not start with '{'");
  Json::sax_parse(text, text + length, &reader);
  header.data_begin = sizeof(length) + length;
  check_offsets(header, file.size() - header.data_begin, reader);
  return header;
}

SafetensorsLayout layout_safetensors(std::vector<TensorSpec> tensors,
                                     const std::map<std::string, std::string>& metadata) {
  std::ranges::sort(tensors, [](const TensorSpec& a, const TensorSpec& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  SafetensorsLayout layout;
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  std::uint64_t position = 0;
  for (TensorSpec& spec : tensors) {
    const std::uint64_t end = position + byte_size(spec.dtype, spec.shape, spec.name);
    if (json.contains(spec.name)) {
      throw Error(fmt::format("[write safetensors] tensor '{}' is there twice", spec.name));
    }
    json[spec.name] = {
        {"dtype", name(spec.dtype)}, {"shape", spec.shape}, {"data_offsets", {position, end}}};
    layout.tensors.push_back({std::move(spec), position, end});
    position = end;
  }
  std::string text = json.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  layout.header.assign(reinterpret_cast<const char*>(&length), sizeof(length));
  layout.header += text;
  layout.file_size = layout.header.size() + position;
  return layout;
}

}  // namespace lowp::checkpoint
