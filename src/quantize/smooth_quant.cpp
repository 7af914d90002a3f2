// quantize_ with SmoothQuantConfig: observe, then quantize (numerics 10.1).
#include <torch/types.h>

#include <limits>
#include <memory>

#include "formats/affine.h"
#include "lowp/error.h"
#include "quantize/layers.h"

namespace lowp {
namespace {

using torch::Tensor;

constexpr float kEpsilon = std::numeric_limits<float>::epsilon();

// Least and largest value of each column of what a layer is given, (in_features).
struct ColumnRanges {
  Tensor low;
  Tensor high;

  void add(const Tensor& input) {
    torch::NoGradGuard no_grad;
    if (input.numel() == 0) return;
    const Tensor rows = input.reshape({-1, input.size(-1)});
    const Tensor new_low = rows.amin(0);
    const Tensor new_high = rows.amax(0);
    low = low.defined() ? torch::minimum(low, new_low) : new_low;
    high = high.defined() ? torch::maximum(high, new_high) : new_high;
  }
};

// Observes layers while it lives.
class Observation {
 public:
  void watch(nn::LinearImpl& linear, ColumnRanges& ranges) {
    linear.set_observer([&ranges](const Tensor& input) { ranges.add(input); });
    watched_.push_back(&linear);
  }

  Observation() = default;
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;
  ~Observation() {
    for (nn::LinearImpl* linear : watched_) linear->set_observer({});
  }

 private:
  std::vector<nn::LinearImpl*> watched_;
};

// The plan of the base config; a static scale that calibration finds is 1 in it.
Plan base_plan(const SmoothQuantConfig& config) {
  if (const auto* fixed = std::get_if<Int8StaticActivationInt8WeightConfig>(&config.base_config)) {
    Int8StaticActivationInt8WeightConfig stand_in = *fixed;
    stand_in.act_quant_scale = 1.0F;
    return plan_from_config(stand_in);
  }
  return plan_from_config(std::get<Int8DynamicActivationInt8WeightConfig>(config.base_config));
}

Tensor smoothing_factor(const ColumnRanges& ranges, const Tensor& weight, double alpha) {
  const Tensor x_amax = torch::maximum(-ranges.low, ranges.high).to(torch::kFloat32);
  const Tensor w_amax = weight.abs().amax(0).to(torch::kFloat32);
  return (x_amax + kEpsilon).pow(alpha) / (w_amax + kEpsilon).pow(1 - alpha);
}

void set_static_scale(Plan& plan, const ColumnRanges& ranges, const Tensor& factor) {
  const auto divided = [&](const Tensor& ends) {
    const Tensor wide = ends.to(torch::kFloat32);
    return factor.defined() ? wide / factor : wide;
  };
  const Mapping mapping =
      plan.activation.mapping == "asymmetric" ? Mapping::kAsymmetric : Mapping::kSymmetric;
  const AffineParams params =
      choose_affine_params(divided(ranges.low).amin().item<float>(),
                           divided(ranges.high).amax().item<float>(), mapping, kInt8, kFp32Epsilon);
  plan.activation.scale = params.scale;
  plan.activation.zero_point = static_cast<std::int8_t>(params.zero_point);
}

std::vector<float> reciprocals(const Tensor& factor) {
  const Tensor values = factor.reciprocal().cpu().contiguous();
  const auto* begin = values.const_data_ptr<float>();
  return {begin, begin + values.numel()};
}

LayerReport smooth_layer(const Layer& layer, const SmoothQuantConfig& config, Plan plan,
                         const ColumnRanges& ranges) {
  if (!ranges.low.defined()) {
    return visit_layer(layer, nullptr, "no batch of the calibration reached it");
  }
  Tensor factor;
  if (config.alpha) {
    factor = smoothing_factor(ranges, layer.linear->weight.detach(), *config.alpha);
    plan.activation.pre_scale = reciprocals(factor);
  }
  if (plan.activation.scale) set_static_scale(plan, ranges, factor);
  return visit_layer(layer, &plan, "", factor);
}

}  // namespace

Report quantize_(torch::nn::Module& module, const SmoothQuantConfig& config,
                 const std::function<void()>& calibrate, const Filter& filter) {
  torch::NoGradGuard no_grad;
  const Plan plan = base_plan(config);
  if (!calibrate) {
    throw Error("[quantize_] calibrate is empty, got no function, expected one that runs batches");
  }
  const std::vector<Layer> layers = find_layers(module);
  std::vector<ColumnRanges> ranges(layers.size());
  std::vector<std::string> skipped(layers.size());
  {
    Observation observation;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Layer& layer = layers[i];
      skipped[i] = is_taken(filter, layer) ? why_not(layer, plan) : "the filter leaves it out";
      if (layer.grouped != nullptr && skipped[i].empty()) {
        skipped[i] = "SmoothQuant has no grouped form";
      }
      if (skipped[i].empty()) observation.watch(*layer.linear, ranges[i]);
    }
    calibrate();
  }
  Report report;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    report.layers.push_back(skipped[i].empty() ? smooth_layer(layers[i], config, plan, ranges[i])
                                               : visit_layer(layers[i], nullptr, skipped[i]));
  }
  return report;
}

}  // namespace lowp
