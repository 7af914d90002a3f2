#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors_header.h"

namespace lowp::checkpoint {

// Writes one safetensors file whose tensors are known beforehand. The data may come in any order,
// in parts and from several threads. The file has a temporary name beside its own, `.NAME.partial`,
// until commit(), which makes it durable and renames it: its name never shows an incomplete file.
// Throws lowp::Error that names the file if the disk is full, the folder read-only, ....
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorSpec> tensors,
                    const std::map<std::string, std::string>& metadata = {});
  ~SafetensorsWriter();  // removes the temporary file if it was not committed
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  // The whole tensor.
  void write(std::string_view name, std::span<const std::byte> data);
  // Bytes of the tensor from `offset` on. Parts of one tensor must not overlap.
  void write_at(std::string_view name, std::uint64_t offset, std::span<const std::byte> data);

  // Throws lowp::Error if a byte of a tensor was not written.
  void commit();

  const std::filesystem::path& path() const;
  std::uint64_t file_size() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Writes a small file under a temporary name, makes it durable and renames it.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace lowp::checkpoint
