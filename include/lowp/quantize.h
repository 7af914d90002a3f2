#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lowp/configs.h"
#include "lowp/nn/grouped_linear.h"
#include "lowp/nn/linear.h"

namespace lowp {

// What quantize_ did to one layer.
struct LayerReport {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  std::int64_t out_features = 0;
  std::int64_t in_features = 0;
  std::string scheme;           // "W4A16"; empty if skipped
  std::int64_t group_size = 0;  // 0 if the scheme has no groups
  double bits_per_weight = 0;   // codes and scales
  double sqnr_db = 0;           // of the dequantized weight against the original
  std::string skipped;          // why nothing was done; empty if quantized
  std::int64_t experts = 0;     // of an nn::GroupedLinear
};

struct Report {
  std::vector<LayerReport> layers;  // every linear layer of the module, in its order

  std::string to_json() const;  // {"layers": [{"name": ...}]}; sqnr_db null if there is no error
};

std::ostream& operator<<(std::ostream& stream, const Report& report);

// True: quantize this layer. `name` is its path inside the module.
using Filter = std::function<bool(const torch::nn::Module& layer, const std::string& name)>;

// One config a layer. A layer is looked for by its exact name, then by the first pattern
// `re:REGEX` that matches the whole name, then under `_default`; std::nullopt and no entry leave it
// alone.
struct FqnToConfig {
  std::vector<std::pair<std::string, std::optional<Config>>> fqn_to_config;
};

// Quantizes, in place, the weight of every lowp::nn::Linear and lowp::nn::GroupedLinear under
// `module` that the filter takes.
// A layer that cannot be is left as it is and listed with the reason; so is every
// torch::nn::Linear, whose weight cannot be exchanged. Throws lowp::Error, before anything is
// changed, if the config is invalid.
Report quantize_(torch::nn::Module& module, const Config& config, const Filter& filter = {});

// Throws lowp::Error, before anything is changed, for a name or pattern that fits no layer.
Report quantize_(torch::nn::Module& module, const FqnToConfig& configs);

// Observes what the layers are given while `calibrate` runs the module on a few batches, then
// quantizes each by that. A layer that none of them reached is skipped.
Report quantize_(torch::nn::Module& module, const SmoothQuantConfig& config,
                 const std::function<void()>& calibrate, const Filter& filter = {});

template <class Module, class... Args>
Report quantize_(const torch::nn::ModuleHolder<Module>& module, const Args&... args) {
  return quantize_(static_cast<torch::nn::Module&>(*module.ptr()), args...);
}

}  // namespace lowp
