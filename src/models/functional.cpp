#include "models/functional.h"

namespace lowp::models {

torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps,
                       double weight_offset) {
  const torch::Tensor wide = x.to(torch::kFloat32);
  const torch::Tensor variance = wide.square().mean(-1, /*keepdim=*/true);
  const torch::Tensor factor = weight.to(torch::kFloat32) + weight_offset;
  return (wide * torch::rsqrt(variance + eps) * factor).to(x.scalar_type());
}

torch::Tensor rotate(const torch::Tensor& x, const Rotation& rotation) {
  const torch::Tensor cos = rotation.cos.unsqueeze(1), sin = rotation.sin.unsqueeze(1);
  const std::vector<torch::Tensor> halves = x.to(torch::kFloat32).chunk(2, -1);
  const torch::Tensor &a = halves[0], &b = halves[1];
  return torch::cat({a * cos - b * sin, b * cos + a * sin}, -1).to(x.scalar_type());
}

torch::Tensor gated_activation(const torch::Tensor& gate, const torch::Tensor& up,
                               Activation activation) {
  const torch::Tensor active =
      activation == Activation::kSilu ? at::silu(gate) : at::gelu(gate, "tanh");
  return active * up;
}

}  // namespace lowp::models
