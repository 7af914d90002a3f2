// The decoder's arithmetic between its linear layers.
#pragma once

#include <torch/types.h>

#include "lowp/models/config.h"
#include "models/rotary_table.h"

namespace lowp::models {

// x / sqrt(mean(x^2) + eps) * (weight + weight_offset) over the last dimension, in fp32, rounded
// once to the dtype of x.
torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps,
                       double weight_offset);

// x (T, heads, D): the halves (a, b) of each head become (a cos - b sin, b cos + a sin).
torch::Tensor rotate(const torch::Tensor& x, const Rotation& rotation);

// activation(gate) * up.
torch::Tensor gated_activation(const torch::Tensor& gate, const torch::Tensor& up,
                               Activation activation);

}  // namespace lowp::models
