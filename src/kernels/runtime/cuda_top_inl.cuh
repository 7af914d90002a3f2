// The largest element of a row and where it is, of equal ones the first: for kernels on logits, of
// which a row has fewer than 2^31.
#pragma once

#include <cmath>

#include "kernels/runtime/cuda_elements_inl.cuh"

namespace lowp::kernels::device {
namespace {

struct Top {
  float value;
  int index;
};

// NaN is never above.
__device__ inline Top better(const Top& a, const Top& b) {
  const bool second = b.value > a.value || (b.value == a.value && b.index < a.index);
  return second ? b : a;
}

__device__ inline Top top_of_warp(Top top) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const Top other{__shfl_xor_sync(kAllLanes, top.value, offset),
                    __shfl_xor_sync(kAllLanes, top.index, offset)};
    top = better(top, other);
  }
  return top;
}

// Given to all threads of the block, which are `threads`, whole warps. A row of NaN and -Inf alone
// has its first element on top. `has_nan` is the thread's own: whether it saw one.
__device__ inline Top block_top(const Row& row, int threads, bool& has_nan) {
  __shared__ Top of_warp[kMaxThreads / kWarp];
  Top top{-INFINITY, 0};
  visit_vectors(row, threads, [&](int i, const Vector& vector, int count) {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      if (j >= count) break;
      // A thread sees its elements in ascending order.
      if (vector.v[j] > top.value) top = {vector.v[j], i + j};
      has_nan |= isnan(vector.v[j]);
    }
  });
  top = top_of_warp(top);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  __syncthreads();  // the last call's values have been read
  if (lane == 0) of_warp[threadIdx.x / kWarp] = top;
  __syncthreads();
  return top_of_warp(lane < threads / kWarp ? of_warp[lane] : Top{-INFINITY, 0});
}

}  // namespace
}  // namespace lowp::kernels::device
