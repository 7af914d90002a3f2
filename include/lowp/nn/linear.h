#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/options/linear.h>
#include <torch/nn/pimpl.h>

namespace lowp::nn {

// torch::nn::Linear whose weight can be exchanged for a quantized one in place (lowp::quantize_).
// y = x weight^T + bias; x (*, in_features), weight (out_features, in_features), y (*,
// out_features).
class LinearImpl : public torch::nn::Cloneable<LinearImpl> {
 public:
  LinearImpl(std::int64_t in_features, std::int64_t out_features);
  explicit LinearImpl(const torch::nn::LinearOptions& options);
  // Takes the tensors as they are, without initializing them: weight (out_features, in_features),
  // bias (out_features) or undefined.
  explicit LinearImpl(const torch::Tensor& weight, const torch::Tensor& bias = {});

  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& input);

  torch::nn::LinearOptions options;
  torch::Tensor weight;  // undefined once quantized
  torch::Tensor bias;    // undefined if options.bias() is false
};

TORCH_MODULE(Linear);

}  // namespace lowp::nn
