#pragma once

#include <torch/types.h>

#include "kernels/runtime/matrix.h"
#include "lowp/models/config.h"

namespace lowp::models {

// What one token is between the steps of a layer: rows of the model's dtype in one buffer.
class DecodeRows {
 public:
  // The residual is `embedding` (1, hidden_size) itself.
  DecodeRows(const Config& config, const torch::Tensor& embedding);

  kernels::MutableMatrix residual;  // (1, hidden_size)
  kernels::MutableMatrix x;         // (1, hidden_size): a norm's result
  kernels::MutableMatrix delta;     // (1, hidden_size): what the residual gets next
  kernels::MutableMatrix qkv;       // (1, (H + 2 KV) * D)
  kernels::MutableMatrix q;         // (1, H * D), rotated
  kernels::MutableMatrix attended;  // (1, H * D)
  kernels::MutableMatrix gate_up;   // (1, 2 * intermediate_size)
  kernels::MutableMatrix gated;     // (1, intermediate_size)

 private:
  torch::Tensor memory_;
};

}  // namespace lowp::models
