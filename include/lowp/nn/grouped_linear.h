#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <memory>
#include <string>

#include "lowp/configs.h"

namespace lowp::nn {

struct QuantizedState;

// The linear layers of a mixture of experts, with quantized weights. On the CPU, without gradients.
class GroupedLinearImpl : public torch::nn::Module {
 public:
  // Quantizes weight (experts, out_features, in_features), each expert's by itself; bias (experts,
  // out_features) or undefined. Throws lowp::Error where the config does not fit.
  GroupedLinearImpl(const torch::Tensor& weight, const Config& config,
                    const torch::Tensor& bias = {});

  // x (tokens, in_features) sorted by expert; offsets (experts) int32, the end of each expert's
  // rows. Returns (tokens, out_features) of x's dtype, 0 behind the last offset.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& offsets);

  void pretty_print(std::ostream& stream) const override;
  std::string scheme() const;                // "W4A16"
  torch::Tensor dequantized_weight() const;  // (experts, out_features, in_features), float32

  // Codes and scales keep their dtypes.
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;

  torch::Tensor bias;  // undefined if there is none

 private:
  std::int64_t experts_;
  // Of one expert, but each tensor is those of all, (experts, ...).
  std::shared_ptr<QuantizedState> state_;
};

TORCH_MODULE(GroupedLinear);

}  // namespace lowp::nn
