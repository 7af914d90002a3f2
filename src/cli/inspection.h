// What lowp inspect finds in a model, apart from how it is shown.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lowp::cli {

struct InspectedTensor {
  std::string name;
  std::string dtype;  // "BF16", "Q4_K"
  std::vector<std::int64_t> shape;
  std::int64_t bytes;
  // Weights that it stands for: 8 for an I32 of packed int4, 0 for scales and zero points.
  std::int64_t parameters;
  std::string file;  // the shard; empty where there is one file
};

struct Inspection {
  std::filesystem::path path;
  std::string format;  // "GGUF v3", "safetensors", "Hugging Face directory"
  std::vector<InspectedTensor> tensors;
  nlohmann::ordered_json metadata;  // object: GGUF's, safetensors' or config.json; long arrays cut
  std::vector<std::string> checks;  // what was verified

  std::int64_t bytes() const;
  std::int64_t parameters() const;
  double bits_per_weight() const;  // all bytes over all parameters
};

// `path`: a GGUF file, a safetensors file or a directory. Reads headers only. Throws lowp::Error
// that names the file and the field for one that is broken or missing.
Inspection inspect(const std::filesystem::path& path);

}  // namespace lowp::cli
