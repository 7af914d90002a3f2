#include "lowp/nn/linear.h"

#include <torch/nn/functional/linear.h>
#include <torch/nn/init.h>

#include <cmath>

namespace lowp::nn {

LinearImpl::LinearImpl(std::int64_t in_features, std::int64_t out_features)
    : LinearImpl(torch::nn::LinearOptions(in_features, out_features)) {}

LinearImpl::LinearImpl(const torch::nn::LinearOptions& options) : options(options) { reset(); }

LinearImpl::LinearImpl(const torch::Tensor& weight, const torch::Tensor& bias)
    : options(weight.size(1), weight.size(0)) {
  options.bias(bias.defined());
  this->weight = register_parameter("weight", weight, weight.requires_grad());
  this->bias = register_parameter("bias", bias, bias.defined() && bias.requires_grad());
}

void LinearImpl::reset() {
  weight =
      register_parameter("weight", torch::empty({options.out_features(), options.in_features()}));
  bias = register_parameter("bias",
                            options.bias() ? torch::empty(options.out_features()) : torch::Tensor(),
                            options.bias());
  reset_parameters();
}

// The initialization of torch.nn.Linear: uniform in +-1/sqrt(in_features).
void LinearImpl::reset_parameters() {
  torch::nn::init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (bias.defined()) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(options.in_features()));
    torch::nn::init::uniform_(bias, -bound, bound);
  }
}

void LinearImpl::pretty_print(std::ostream& stream) const {
  stream << std::boolalpha << "lowp::nn::Linear(in_features=" << options.in_features()
         << ", out_features=" << options.out_features() << ", bias=" << options.bias() << ")";
}

torch::Tensor LinearImpl::forward(const torch::Tensor& input) {
  return torch::nn::functional::linear(input, weight, bias);
}

}  // namespace lowp::nn
