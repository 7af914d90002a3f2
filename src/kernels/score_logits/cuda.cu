#include <cmath>

#include "kernels/runtime/cuda_elements_inl.cuh"
#include "kernels/runtime/cuda_top_inl.cuh"
#include "kernels/score_logits/cuda.h"

namespace lowp::kernels {
namespace {

using device::kVector;
using device::Row;
using device::Top;
using device::Vector;

constexpr int kThreads = 512;

__device__ Row row_of(const Matrix& x, bool aligned) {
  return {device::advance(x.data, x.dtype, std::int64_t{blockIdx.x} * x.stride), x.dtype, x.cols,
          aligned};
}

// log(sum(exp(x))), the largest being known.
__device__ float log_sum_exp(const Row& row, float largest) {
  float sum = 0.0F;
  device::visit_vectors(row, kThreads, [&](int, const Vector& vector, int count) {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      if (j < count) sum += expf(vector.v[j] - largest);
    }
  });
  return largest + logf(device::block_sum(sum));
}

__device__ float divergence(const Row& logits, const Row& reference, float log_q, float log_p) {
  float sum = 0.0F;
  for (std::int64_t i = threadIdx.x * kVector; i < logits.cols; i += kThreads * kVector) {
    const Vector q = device::load_vector(logits, i), p = device::load_vector(reference, i);
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      const float log_ratio = (p.v[j] - log_p) - (q.v[j] - log_q);
      if (i + j < logits.cols) sum += expf(p.v[j] - log_p) * log_ratio;
    }
  }
  return device::block_sum(sum);
}

// A block a row, read three times; all but the first find it in the L2 cache.
__global__ void __launch_bounds__(kThreads) score_rows(const ScoreLogitsArgs args, bool aligned) {
  const Row logits = row_of(args.logits, aligned);
  bool has_nan = false;  // makes sums NaN by itself
  const Top top = device::block_top(logits, kThreads, has_nan);
  const float log_q = log_sum_exp(logits, top.value);
  const std::int64_t target = args.targets[blockIdx.x];
  if (threadIdx.x == 0) {
    const bool known = target >= 0 && target < logits.cols;
    args.negative_log_likelihood[blockIdx.x] =
        known ? log_q - device::load(logits.data, logits.dtype, target) : NAN;
  }
  if (args.reference.data == nullptr) return;
  const Row reference = row_of(args.reference, aligned);
  const Top reference_top = device::block_top(reference, kThreads, has_nan);
  const float log_p = log_sum_exp(reference, reference_top.value);
  const float sum = divergence(logits, reference, log_q, log_p);
  if (threadIdx.x != 0) return;
  args.divergence[blockIdx.x] = sum;
  args.same_top[blockIdx.x] = top.index == reference_top.index ? 1 : 0;
}

bool is_aligned(const Matrix& x) {
  return x.data == nullptr || device::is_aligned(x.data, x.dtype, x.cols, x.stride);
}

}  // namespace

const char* score_logits_cuda(const ScoreLogitsArgs& args, void* stream) {
  if (args.logits.rows == 0) return nullptr;
  const bool aligned = is_aligned(args.logits) && is_aligned(args.reference);
  score_rows<<<static_cast<unsigned>(args.logits.rows), kThreads, 0,
               static_cast<cudaStream_t>(stream)>>>(args, aligned);
  return device::launch_error();
}

}  // namespace lowp::kernels
