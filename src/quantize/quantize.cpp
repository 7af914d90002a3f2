#include "lowp/quantize.h"

#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "lowp/cuda.h"
#include "lowp/error.h"
#include "nn/operator_weight.h"
#include "nn/torch_threads.h"
#include "quantize/layers.h"
#include "quantize/plan.h"
#include "schemes/distortion.h"

namespace lowp {
namespace {

void fill(LayerReport& report, const Scheme& scheme, std::int64_t bytes, double sqnr_db) {
  report.scheme = scheme.name;
  report.group_size = scheme.group_size;
  report.bits_per_weight = 8.0 * static_cast<double>(bytes) /
                           static_cast<double>(report.out_features * report.in_features);
  report.sqnr_db = sqnr_db;
}

// Where the weight is.
void quantize_on_gpu(nn::LinearImpl& linear, const torch::Tensor& weight, const Plan& plan,
                     LayerReport& report) {
  require_cuda_operators();
  const nn::QuantizedState state =
      nn::quantize_by_operators(plan.scheme, weight, plan.options, plan.activation);
  fill(report, plan.scheme, nn::byte_count(state), nn::sqnr_db(state, weight));
  linear.set_quantized_state(state);
}

// Quantizes `weight`, which the layer's becomes, and fills the report.
void quantize_layer(nn::LinearImpl& linear, const torch::Tensor& weight, const Plan& plan,
                    LayerReport& report) {
  if (weight.is_cuda()) return quantize_on_gpu(linear, weight, plan, report);
  const std::int64_t n = weight.size(0);
  const std::int64_t k = weight.size(1);
  const kernels::Matrix matrix{weight.const_data_ptr(), nn::from_torch(weight.scalar_type()), n, k,
                               k};
  const QuantizedWeight quantized =
      quantize_weight(plan.scheme, matrix, torch_threads(), plan.options);
  fill(report, plan.scheme, quantized.byte_count(), distortion(quantized, matrix).sqnr_db());
  linear.set_quantized_weight(quantized, plan.activation);
}

void quantize_grouped(nn::GroupedLinearImpl& grouped, const Plan& plan, LayerReport& report) {
  const torch::Tensor weight = grouped.weight.detach().to(torch::kFloat32);
  grouped.quantize(plan);
  const torch::Tensor error = weight - grouped.dequantized_weight();
  const auto norm = [](const torch::Tensor& x) {
    return x.norm(2, torch::kFloat64).item<double>();
  };
  fill(report, plan.scheme, nn::byte_count(*grouped.quantized_state()),
       20.0 * std::log10(norm(weight) / norm(error)));
  report.bits_per_weight /= static_cast<double>(report.experts);
}

}  // namespace

std::vector<Layer> find_layers(torch::nn::Module& module) {
  std::vector<Layer> layers;
  module.apply([&](const std::string& name, torch::nn::Module& child) {
    if (auto* linear = child.as<nn::LinearImpl>()) {
      layers.push_back({name, linear, nullptr, linear->options.out_features(),
                        linear->options.in_features(), 0});
    } else if (auto* grouped = child.as<nn::GroupedLinearImpl>()) {
      layers.push_back({name, nullptr, grouped, grouped->out_features(), grouped->in_features(),
                        grouped->experts()});
    } else if (const auto* plain = child.as<torch::nn::LinearImpl>()) {
      layers.push_back(
          {name, nullptr, nullptr, plain->options.out_features(), plain->options.in_features(), 0});
    }
  });
  return layers;
}

std::string why_not(const Layer& layer, const Plan& plan) {
  if (layer.grouped != nullptr) return layer.grouped->why_not(plan);
  if (layer.linear == nullptr) {
    return "it is a torch::nn::Linear, whose weight cannot be exchanged: use lowp::nn::Linear";
  }
  if (layer.linear->is_quantized()) return "it is quantized already: " + layer.linear->scheme();
  const torch::ScalarType dtype = layer.linear->weight.scalar_type();
  if (dtype != torch::kFloat32 && dtype != torch::kFloat16 && dtype != torch::kBFloat16) {
    return std::string("its weight is ") + c10::toString(dtype) + ", not Float, Half or BFloat16";
  }
  const bool cpu_alone = plan.scheme.weight == WeightFormat::kIntx || is_mxfp6(plan.scheme.weight);
  if (cpu_alone && layer.linear->weight.is_cuda()) {
    return "its weight is on a GPU, where " + std::string(plan.scheme.name) + " has no kernels";
  }
  return lowp::why_not(plan.scheme, layer.out_features, layer.in_features);
}

bool is_taken(const Filter& filter, const Layer& layer) {
  if (!filter) return true;
  if (layer.linear != nullptr) return filter(*layer.linear, layer.name);
  return layer.grouped == nullptr || filter(*layer.grouped, layer.name);
}

LayerReport visit_layer(const Layer& layer, const Plan* plan, std::string skipped,
                        const torch::Tensor& smoothing_factor) {
  LayerReport report;
  report.name = layer.name;
  report.out_features = layer.out_features;
  report.in_features = layer.in_features;
  report.experts = layer.experts;
  report.skipped = std::move(skipped);
  if (report.skipped.empty()) report.skipped = why_not(layer, *plan);
  if (!report.skipped.empty()) return report;
  if (layer.grouped != nullptr) {
    quantize_grouped(*layer.grouped, *plan, report);
    return report;
  }
  torch::Tensor weight = layer.linear->weight.detach().contiguous();
  if (smoothing_factor.defined()) {
    weight = (weight.to(torch::kFloat32) * smoothing_factor).to(weight.scalar_type());
  }
  quantize_layer(*layer.linear, weight, *plan, report);
  return report;
}

namespace {

// One entry of FqnToConfig, ready to be looked up.
struct Rule {
  std::string key;
  std::optional<std::regex> pattern;  // of a key `re:...`
  std::optional<Plan> plan;           // std::nullopt: leave the layer alone
};

std::optional<std::regex> compile(const std::string& key) {
  if (!key.starts_with("re:")) return std::nullopt;
  try {
    return std::regex(key.substr(3));
  } catch (const std::regex_error& error) {
    throw Error("[quantize_] the pattern is not a regular expression, got '" + key +
                "', expected re:REGEX (" + error.what() + ")");
  }
}

std::vector<Rule> make_rules(const FqnToConfig& configs) {
  std::vector<Rule> rules;
  for (const auto& [key, config] : configs.fqn_to_config) {
    rules.push_back({key, compile(key), std::nullopt});
    if (config) rules.back().plan = plan_from_config(*config);
  }
  return rules;
}

// The exact name first, then the first pattern that fits, then `_default`.
const Rule* find_rule(const std::vector<Rule>& rules, const std::string& name) {
  const auto exact = std::ranges::find(rules, name, &Rule::key);
  if (exact != rules.end()) return &*exact;
  const auto pattern = std::ranges::find_if(rules, [&](const Rule& rule) {
    return rule.pattern && std::regex_match(name, *rule.pattern);
  });
  if (pattern != rules.end()) return &*pattern;
  const auto rest = std::ranges::find(rules, "_default", &Rule::key);
  return rest == rules.end() ? nullptr : &*rest;
}

void check_rules_fit(const std::vector<Rule>& rules, const std::vector<Layer>& layers) {
  for (const Rule& rule : rules) {
    const bool fits =
        rule.key == "_default" || std::ranges::any_of(layers, [&](const Layer& layer) {
          return rule.pattern ? std::regex_match(layer.name, *rule.pattern)
                              : layer.name == rule.key;
        });
    if (fits) continue;
    throw Error("[quantize_] no linear layer has this name, got '" + rule.key + "', expected " +
                (layers.empty() ? std::string("a module with linear layers")
                                : "a name such as '" + layers.front().name + "'"));
  }
}

}  // namespace

Report quantize_(torch::nn::Module& module, const Config& config, const Filter& filter) {
  torch::NoGradGuard no_grad;
  const Plan plan = plan_from_config(config);
  Report report;
  for (const Layer& layer : find_layers(module)) {
    const bool taken = is_taken(filter, layer);
    report.layers.push_back(visit_layer(layer, &plan, taken ? "" : "the filter leaves it out"));
  }
  return report;
}

Report quantize_(torch::nn::Module& module, const FqnToConfig& configs) {
  torch::NoGradGuard no_grad;
  const std::vector<Layer> layers = find_layers(module);
  const std::vector<Rule> rules = make_rules(configs);
  check_rules_fit(rules, layers);
  Report report;
  for (const Layer& layer : layers) {
    const Rule* rule = find_rule(rules, layer.name);
    if (rule == nullptr) {
      report.layers.push_back(visit_layer(layer, nullptr, "no entry names it"));
    } else if (!rule->plan) {
      report.layers.push_back(visit_layer(layer, nullptr, "'" + rule->key + "' leaves it out"));
    } else {
      report.layers.push_back(visit_layer(layer, &*rule->plan, ""));
    }
  }
  return report;
}

}  // namespace lowp
