// The linear layers of a module, and what quantize_ does with each of them.
#pragma once

#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "lowp/nn/grouped_linear.h"
#include "lowp/quantize.h"
#include "quantize/plan.h"

namespace lowp {

// A layer of the module: a lowp one, or a torch::nn::Linear that is only listed.
struct Layer {
  std::string name;
  nn::LinearImpl* linear;          // nullptr: the next, or torch's
  nn::GroupedLinearImpl* grouped;  // or nullptr
  std::int64_t out_features;
  std::int64_t in_features;
  std::int64_t experts;  // of a grouped layer, else 0
};

std::vector<Layer> find_layers(torch::nn::Module& module);

// Whether the filter lets the layer through; torch's own are listed in any case.
bool is_taken(const Filter& filter, const Layer& layer);

// Why the layer cannot follow the plan; empty if it can.
std::string why_not(const Layer& layer, const Plan& plan);

// Quantizes the layer unless it is `skipped` or cannot be. The columns of its weight are multiplied
// by smoothing_factor (in_features) float32 before, if that is defined.
LayerReport visit_layer(const Layer& layer, const Plan* plan, std::string skipped,
                        const torch::Tensor& smoothing_factor = {});

}  // namespace lowp
