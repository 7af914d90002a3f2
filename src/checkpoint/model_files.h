#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/safetensors.h"

namespace lowp::checkpoint {

// The safetensors files of a Hugging Face directory: `model.safetensors`, or the shards that
// `model.safetensors.index.json` names. Opening checks that every shard is there, holds the tensors
// that the index says, and no others. Throws lowp::Error that names the file and the field.
class ModelFiles {
 public:
  explicit ModelFiles(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  bool is_sharded() const { return sharded_; }
  const std::vector<Safetensors>& files() const { return files_; }  // sorted by name

  const TensorView* find(std::string_view name) const;  // nullptr if there is none
  const TensorView& at(std::string_view name) const;    // throws lowp::Error that names the tensor
  std::size_t tensor_count() const { return index_.size(); }
  std::uint64_t total_bytes() const;  // of all tensors

 private:
  std::filesystem::path directory_;
  bool sharded_ = false;
  std::vector<Safetensors> files_;
  std::unordered_map<std::string_view, const TensorView*> index_;
};

}  // namespace lowp::checkpoint
