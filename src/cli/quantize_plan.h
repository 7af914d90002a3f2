// What `lowp quantize` will do, before a byte is written: which scheme each tensor gets, or why
// none, and the tensors of each output file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/compressed_tensors_config.h"
#include "checkpoint/model_files.h"
#include "checkpoint/safetensors_header.h"
#include "cli/tensor_scheme.h"
#include "schemes/scheme.h"

namespace lowp::cli {

struct QuantizeRecipe {
  std::string scheme;
  std::int64_t group_size = 0;  // 0: the scheme's own
  std::vector<std::string> ignore;
  std::vector<TensorScheme> tensor_schemes;  // the first that matches counts
  bool quantize_lm_head = false;
};

nlohmann::ordered_json to_json(const QuantizeRecipe& recipe);

struct TensorPlan {
  const checkpoint::TensorView* source;
  const checkpoint::MappedFile* file;  // that holds the source
  std::string module;                  // of a linear weight, else empty
  std::optional<Scheme> scheme;        // nothing: copied as it is
  std::string reason;                  // why it is copied, or why the scheme does not fit
  bool fits = true;                    // false: an error unless the layer is ignored
  std::size_t shared_amax = 0;         // layers with equal values have one scale a tensor
  std::vector<checkpoint::TensorSpec> outputs;
};

struct ShardPlan {
  std::string file;                 // the source's name
  std::vector<TensorPlan> tensors;  // in the order of their data

  std::vector<checkpoint::TensorSpec> outputs() const;
  std::uint64_t source_bytes() const;
};

struct QuantizePlan {
  std::vector<ShardPlan> shards;
  std::size_t shared_amax_count = 0;
  checkpoint::CompressedTensorsConfig config;
  std::vector<std::string> notes;  // patterns that match nothing, fused layers under two schemes

  std::uint64_t source_bytes() const;
  std::uint64_t output_bytes() const;
};

// `files` must outlive the plan. Throws lowp::Error for a recipe that makes no sense.
QuantizePlan plan_quantization(const checkpoint::ModelFiles& files, const QuantizeRecipe& recipe);

// Throws lowp::Error that lists the layers which the scheme does not fit.
void check_fits(const QuantizePlan& plan);

}  // namespace lowp::cli
