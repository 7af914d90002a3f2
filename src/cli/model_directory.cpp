#include "cli/model_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <string_view>

#include "checkpoint/safetensors_writer.h"
#include "lowp/error.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;

// Weights in any format are not copied: the output has its own.
bool is_copied(const fs::directory_entry& entry) {
  constexpr std::array<std::string_view, 9> kWeights{
      ".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".partial"};
  const std::string name = entry.path().filename().string();
  if (!entry.is_regular_file() || name.starts_with('.')) return false;
  if (name == "config.json" || name == "recipe.yaml" || name.ends_with(".index.json")) return false;
  return std::ranges::find(kWeights, entry.path().extension().string()) == kWeights.end();
}

}  // namespace

std::string read_text_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(fmt::format("[read] '{}' cannot be read", path.string()));
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string model_index(const nlohmann::json& weight_map, std::uint64_t total_bytes) {
  const nlohmann::json index{{"metadata", {{"total_size", total_bytes}}},
                             {"weight_map", weight_map}};
  return index.dump(2) + "\n";
}

std::vector<std::string> copy_model_texts(const fs::path& from, const fs::path& to) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    if (!is_copied(entry)) continue;
    names.push_back(entry.path().filename().string());
    checkpoint::write_file_atomically(to / names.back(), read_text_file(entry.path()));
  }
  return names;
}

}  // namespace lowp::cli
