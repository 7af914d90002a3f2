#pragma once

#include <cstdint>
#include <span>

#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Keys or values in a cache: (heads, positions, head_dim), each head contiguous. `data` is where
// the first new position of the first head goes.
struct CacheSlots {
  void* data;
  DType dtype;
  std::int64_t head_stride;  // elements from head to head
};

// The new tokens' queries, keys and values made ready for attention: rotary embedding (arXiv
// 2104.09864, halves as Llama's checkpoints have them) of q and k,
//   out = (a cos - b sin, b cos + a sin) for the halves (a, b) of a head,
// with an RMSNorm of each head first where there are weights for it, in fp32, rounded once; k and v
// go to the cache. T tokens, H query heads, KV key-value heads, D head_dim.
struct RotaryArgs {
  Matrix q;               // (T, H * D)
  Matrix k;               // (T, KV * D)
  Matrix v;               // (T, KV * D)
  std::int64_t head_dim;  // even
  const float* cos;       // (T, D / 2)
  const float* sin;       // (T, D / 2)
  Matrix q_weight;        // (1, D), or data nullptr: no norm
  Matrix k_weight;        // (1, D), or data nullptr
  float epsilon;          // of the norms
  float weight_offset;    // as in rms_norm
  MutableMatrix q_out;    // (T, H * D)
  CacheSlots k_out;       // (KV, T, D)
  CacheSlots v_out;       // (KV, T, D)
  const ParallelFor* parallel;
};

void rotary(const RotaryArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<RotaryArgs>> rotary_implementations();

}  // namespace lowp::kernels
