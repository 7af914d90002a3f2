#pragma once

#include <cstdint>
#include <span>

#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Attention of one token to all positions of a cache, with grouped key-value heads:
//   out[h] = softmax(scale q[h] keys[h / (H / KV)]^T) values[h / (H / KV)]
// in fp32, rounded once to the dtype of out. H query heads, KV key-value heads, D head_dim, S
// positions.
struct AttentionDecodeArgs {
  Matrix q;                  // (H, D)
  const void* keys;          // (KV, S, D) of q's dtype, each head contiguous
  const void* values;        // (KV, S, D) of q's dtype, each head contiguous
  std::int64_t head_stride;  // elements from head to head, in keys and in values
  std::int64_t kv_heads;     // divides H
  std::int64_t positions;    // S, at least 1
  float scale;
  MutableMatrix out;  // (H, D)
  const ParallelFor* parallel;
};

void attention_decode(const AttentionDecodeArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<AttentionDecodeArgs>> attention_decode_implementations();

}  // namespace lowp::kernels
