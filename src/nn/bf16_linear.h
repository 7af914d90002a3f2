// Plain bfloat16 linear of few rows on the CPU: lowp::linear_bf16 reads the weight once and skips
// the set-up of the library that at::linear calls.
#pragma once

#include <torch/types.h>

namespace lowp::nn {

bool takes_bf16_kernel(const torch::Tensor& x, const torch::Tensor& weight,
                       const torch::Tensor& bias);
torch::Tensor bf16_linear(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias);

}  // namespace lowp::nn
