// safetensors: an 8-byte little-endian header length, a JSON header, the data. Source of the rules:
// the format's description and tensor.rs of the safetensors crate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/mapped_file.h"
#include "formats/dtype.h"

namespace lowp::checkpoint {

struct TensorView {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;  // in the mapped file, row-major, little-endian

  std::int64_t element_count() const;
};

// Opening checks every field of the header before use: its length, JSON, names, dtypes, shapes,
// offsets; the data has neither holes nor overlaps nor a tail. Throws lowp::Error that names the
// file, the field and its value.
class Safetensors {
 public:
  explicit Safetensors(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const MappedFile& file() const { return file_; }
  std::span<const TensorView> tensors() const { return tensors_; }  // in the order of their data
  const TensorView* find(std::string_view name) const;              // nullptr if there is none
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  MappedFile file_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, std::size_t> index_;  // views of tensors_' names
  std::map<std::string, std::string> metadata_;
};

}  // namespace lowp::checkpoint
