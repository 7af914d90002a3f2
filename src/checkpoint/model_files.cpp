#include "checkpoint/model_files.h"

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndex = "model.safetensors.index.json";

[[noreturn]] void fail(const fs::path& path, std::string_view problem) {
  throw Error(fmt::format("[read model] '{}': {}", path.string(), problem));
}

// weight_map of the index: tensor to file.
std::map<std::string, std::string> read_index(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const auto json = nlohmann::json::parse(stream, nullptr, false);
  if (!stream || json.is_discarded()) fail(path, "is not valid JSON");
  const auto map = json.find("weight_map");
  if (!json.is_object() || map == json.end() || !map->is_object()) {
    fail(path, "lacks the object 'weight_map'");
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) {
      fail(path, fmt::format("weight_map of '{}' is not a string, got {}", tensor, file.dump()));
    }
    const auto name = file.get<std::string>();
    // A name that leaves the folder could read any file.
    if (name.empty() || fs::path(name).filename() != name || name == "." || name == "..") {
      fail(path, fmt::format("weight_map of '{}' is not a file name, got '{}'", tensor, name));
    }
    files.emplace(tensor, name);
  }
  return files;
}

// The names of the shards, once each, sorted.
std::vector<std::string> shard_names(const std::map<std::string, std::string>& weight_map) {
  std::vector<std::string> names;
  for (const auto& [tensor, file] : weight_map) names.push_back(file);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

ModelFiles::ModelFiles(const fs::path& directory) : directory_(directory) {
  if (!fs::is_directory(directory)) fail(directory, "is not a directory");
  const fs::path single = directory / "model.safetensors";
  const fs::path index_path = directory / kIndex;
  std::map<std::string, std::string> weight_map;
  if (fs::exists(index_path)) {
    sharded_ = true;
    weight_map = read_index(index_path);
    for (const std::string& name : shard_names(weight_map)) {
      if (!fs::exists(directory / name)) {
        fail(directory, fmt::format("the shard '{}' is missing, {} names it", name, kIndex));
      }
      files_.emplace_back(directory / name);
    }
  } else if (fs::exists(single)) {
    files_.emplace_back(single);
  } else {
    fail(directory, fmt::format("has neither model.safetensors nor {}", kIndex));
  }
  for (const Safetensors& file : files_) {
    for (const TensorView& tensor : file.tensors()) {
      const auto named = weight_map.find(tensor.name);
      if (sharded_ && (named == weight_map.end() || named->second != file.path().filename())) {
        fail(file.path(), fmt::format("tensor '{}' is not where {} says, got '{}'", tensor.name,
                                      kIndex, named == weight_map.end() ? "" : named->second));
      }
      index_.emplace(tensor.name, &tensor);
    }
  }
  for (const auto& [tensor, file] : weight_map) {
    if (!index_.contains(tensor)) {
      fail(directory / file, fmt::format("lacks the tensor '{}' that {} names", tensor, kIndex));
    }
  }
}

const TensorView* ModelFiles::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : found->second;
}

const TensorView& ModelFiles::at(std::string_view name) const {
  const TensorView* tensor = find(name);
  if (tensor == nullptr) fail(directory_, fmt::format("has no tensor '{}'", name));
  return *tensor;
}

std::uint64_t ModelFiles::total_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : index_) bytes += tensor->data.size();
  return bytes;
}

}  // namespace lowp::checkpoint
