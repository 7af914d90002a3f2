// `quantization_config` of config.json as the compressed-tensors package has it.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemes/linear_names.h"
#include "schemes/scheme.h"

namespace lowp::checkpoint {

// A scheme and the modules it applies to: class names ("Linear"), module names, `re:` expressions.
struct CompressedTensorsGroup {
  Scheme scheme;
  std::vector<std::string> targets;
};

struct CompressedTensorsConfig {
  std::vector<CompressedTensorsGroup> groups;
  std::vector<std::string> ignore;  // module names, class names or `re:` expressions

  // The scheme of a linear layer; nullptr if it is not quantized. An exact name goes before an
  // expression, and that before a class.
  const Scheme* scheme_of(std::string_view module) const;
};

nlohmann::json to_json(const CompressedTensorsConfig& config);

// `quantization_config` of a whole config.json; nothing if the model is not quantized. Throws
// lowp::Error that names `file`, field and value for another quantization method and for schemes
// that lowp does not have.
std::optional<CompressedTensorsConfig> read_compressed_tensors_config(
    const nlohmann::json& model_config, std::string_view file);

}  // namespace lowp::checkpoint
