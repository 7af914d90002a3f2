// Plain bfloat16 linear on the CPU where lowp::linear_bf16 is faster than at::linear: with few
// rows, because it reads the weight once and skips the set-up of the library that at::linear calls;
// with any number on machines for which that library has no bfloat16 product.
#pragma once

#include <torch/types.h>

namespace lowp::nn {

bool takes_bf16_kernel(const torch::Tensor& x, const torch::Tensor& weight,
                       const torch::Tensor& bias);
torch::Tensor bf16_linear(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias);

}  // namespace lowp::nn
