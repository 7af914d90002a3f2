#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <memory>
#include <string>

#include "lowp/configs.h"

namespace lowp {
struct Plan;
}

namespace lowp::nn {

struct QuantizedState;

// The linear layers of a mixture of experts. Quantized, they are for the CPU and without gradients.
class GroupedLinearImpl : public torch::nn::Module {
 public:
  // weight (experts, out_features, in_features), bias (experts, out_features) or undefined: taken
  // as they are, for quantize_ to quantize.
  explicit GroupedLinearImpl(const torch::Tensor& weight, const torch::Tensor& bias = {});
  // Quantizes the weight of each expert by itself. Throws lowp::Error where the config does not
  // fit.
  GroupedLinearImpl(const torch::Tensor& weight, const Config& config,
                    const torch::Tensor& bias = {});

  // x (tokens, in_features) sorted by expert; offsets (experts) int32, the end of each expert's
  // rows. Returns (tokens, out_features) of x's dtype, 0 behind the last offset.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& offsets);

  void pretty_print(std::ostream& stream) const override;
  std::int64_t experts() const { return experts_; }
  std::int64_t out_features() const { return out_features_; }
  std::int64_t in_features() const { return in_features_; }
  bool is_quantized() const { return state_ != nullptr; }
  std::string scheme() const;  // "W4A16"; empty if not quantized
  // (experts, out_features, in_features), float32; throws lowp::Error if not quantized.
  torch::Tensor dequantized_weight() const;

  // For lowp's own sources: Plan and QuantizedState are not part of the API.
  std::string why_not(const Plan& plan) const;  // empty if the weight can follow the plan
  void quantize(const Plan& plan);
  const QuantizedState* quantized_state() const { return state_.get(); }

  // Codes and scales keep their dtypes.
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;

  torch::Tensor weight;  // undefined once quantized
  torch::Tensor bias;    // undefined if there is none

 private:
  torch::Tensor plain_forward(const torch::Tensor& x, const torch::Tensor& offsets);

  std::int64_t experts_;
  std::int64_t out_features_;
  std::int64_t in_features_;
  // Of one expert, but each tensor is those of all, (experts, ...).
  std::shared_ptr<QuantizedState> state_;
};

TORCH_MODULE(GroupedLinear);

}  // namespace lowp::nn
