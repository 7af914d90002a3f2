// Quantizes a small model through every public header of the C++ API.
#include <torch/nn/modules/container/sequential.h>

#include <iostream>

#include "lowp/configs.h"
#include "lowp/cuda.h"
#include "lowp/error.h"
#include "lowp/models/causal_lm.h"
#include "lowp/models/config.h"
#include "lowp/models/generation.h"
#include "lowp/models/kv_cache.h"
#include "lowp/nn/linear.h"
#include "lowp/quantize.h"

int main() {
  torch::NoGradGuard no_grad;
  torch::nn::Sequential model(lowp::nn::Linear(64, 32), lowp::nn::Linear(32, 8));
  const torch::Tensor x = torch::randn({4, 64});
  const torch::Tensor before = model->forward(x);
  std::cout << lowp::quantize_(*model, lowp::Int4WeightOnlyConfig{.group_size = 32});
  const torch::Tensor after = model->forward(x);
  std::cout << model << "\n";
  try {
    model->forward(torch::randn({4, 63}));
    return 1;
  } catch (const std::exception& error) {
    std::cout << error.what() << "\n";
  }
  return ((after - before).norm() / before.norm()).item<double>() < 0.2 ? 0 : 1;
}
