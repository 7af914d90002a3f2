// The decoder's arithmetic between its linear layers. Without gradients the fused operators of
// lowp:: do it, with them torch's: the same formulas, in fp32, rounded once at the end. T tokens, H
// query heads, KV key-value heads, D head_dim.
#pragma once

#include <torch/types.h>

#include "lowp/models/config.h"
#include "models/rotary_table.h"

namespace lowp::models {

// What an RMSNorm multiplies by: weight + offset, after 1 / sqrt(mean(x^2) + eps).
struct Norm {
  torch::Tensor weight;  // undefined: no norm
  double eps = 0.0;
  double offset = 0.0;
};

// x (T, N), over its last dimension.
torch::Tensor rms_norm(const torch::Tensor& x, const Norm& norm);

// residual += delta, which may make a new tensor of it; returns the norm of the sum. All (T, N).
torch::Tensor add_rms_norm(torch::Tensor& residual, const torch::Tensor& delta, const Norm& norm);

struct HeadNorms {
  Norm q, k;
};

// Makes ready for attention what the projections gave: q (T, H * D), k and v (T, KV * D). Heads of
// q and k are normed, then rotated: the halves (a, b) become (a cos - b sin, b cos + a sin). k and
// v go to `keys` and `values` (KV, T, D), slots of a cache, whole caches if the rotation has a
// position, or new tensors if these are undefined.
// Returns q (T, H * D).
torch::Tensor rotate(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                     const Rotation& rotation, const HeadNorms& norms, torch::Tensor& keys,
                     torch::Tensor& values);

// q (T, H * D), keys and values (KV, S, D); mask (T, S) bool, or undefined: causal, or all if T is
// 1. Returns (T, H * D).
torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& keys, const torch::Tensor& values,
                     const torch::Tensor& mask, double scale);

// One token's attention to the keys of `key_range` (2), int64 on their device: the first one and
// the end. q (1, H * D), keys and values (KV, S, D). Returns (1, H * D).
torch::Tensor attend_to_range(const torch::Tensor& q, const torch::Tensor& keys,
                              const torch::Tensor& values, const torch::Tensor& key_range,
                              double scale);

// Whether heads of this size can go through attend_to_range on the GPU.
bool takes_attention_kernel(std::int64_t head_dim);

// activation(gate) * up, all (T, N).
torch::Tensor gated_activation(const torch::Tensor& gate, const torch::Tensor& up,
                               Activation activation);

}  // namespace lowp::models
