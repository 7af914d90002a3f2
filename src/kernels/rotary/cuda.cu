#include "kernels/rotary/cuda.h"
#include "kernels/runtime/cuda_elements_inl.cuh"

namespace lowp::kernels {
namespace {

constexpr int kMostThreads = 128;

// 1 / sqrt(mean(x^2) + epsilon) of one head, or 1 without a norm.
__device__ float norm_factor(const RotaryArgs& args, const Matrix& head, const Matrix& weight,
                             std::int64_t token) {
  if (weight.data == nullptr) return 1.0F;
  float squares = 0.0F;
  for (auto i = static_cast<std::int64_t>(threadIdx.x); i < args.head_dim; i += blockDim.x) {
    const float value = device::load(head.data, head.dtype, token * head.stride + i);
    squares += value * value;
  }
  const float mean = device::block_sum(squares) / static_cast<float>(args.head_dim);
  return 1.0F / sqrtf(mean + args.epsilon);
}

// A head of the token's row of x to a row of its output.
__device__ void rotate_head(const RotaryArgs& args, const Matrix& head, const Matrix& weight,
                            std::int64_t token, std::int64_t angles, void* out, DType dtype) {
  const std::int64_t half = args.head_dim / 2;
  const float factor = norm_factor(args, head, weight, token);
  const auto normed = [&](std::int64_t i) {
    const float value = device::load(head.data, head.dtype, token * head.stride + i) * factor;
    return weight.data == nullptr
               ? value
               : value * (device::load(weight.data, weight.dtype, i) + args.weight_offset);
  };
  for (auto i = static_cast<std::int64_t>(threadIdx.x); i < half; i += blockDim.x) {
    const float a = normed(i), b = normed(i + half);
    const float cos = args.cos[angles * half + i], sin = args.sin[angles * half + i];
    device::store(out, dtype, i, a * cos - b * sin);
    device::store(out, dtype, i + half, b * cos + a * sin);
  }
}

__device__ Matrix part(const Matrix& x, std::int64_t begin, std::int64_t count) {
  return {device::advance(x.data, x.dtype, begin), x.dtype, x.rows, count, x.stride};
}

__device__ void* slot(const CacheSlots& slots, std::int64_t head, std::int64_t row,
                      std::int64_t head_dim) {
  return device::advance(slots.data, slots.dtype, head * slots.head_stride + row * head_dim);
}

// A block a token (x) and head (y): those of q, then of k, then of v.
__global__ void __launch_bounds__(kMostThreads)
    rotate(const RotaryArgs args, const std::int64_t* position, std::int64_t room) {
  const std::int64_t d = args.head_dim;
  const auto token = static_cast<std::int64_t>(blockIdx.x);
  const std::int64_t row = token + (position == nullptr ? 0 : *position);
  if (position != nullptr && (row < 0 || row >= room)) return;
  const std::int64_t heads = args.q.cols / d, kv_heads = args.k.cols / d;
  auto head = static_cast<std::int64_t>(blockIdx.y);
  if (head < heads) {
    void* out =
        device::advance(args.q_out.data, args.q_out.dtype, token * args.q_out.stride + head * d);
    rotate_head(args, part(args.q, head * d, d), args.q_weight, token, row, out, args.q_out.dtype);
    return;
  }
  head -= heads;
  if (head < kv_heads) {
    rotate_head(args, part(args.k, head * d, d), args.k_weight, token, row,
                slot(args.k_out, head, row, d), args.k_out.dtype);
    return;
  }
  head -= kv_heads;
  const Matrix v = part(args.v, head * d, d);
  void* out = slot(args.v_out, head, row, d);
  for (auto i = static_cast<std::int64_t>(threadIdx.x); i < d; i += blockDim.x) {
    device::store(out, args.v_out.dtype, i, device::load(v.data, v.dtype, token * v.stride + i));
  }
}

}  // namespace

const char* rotary_cuda(const RotaryCuda& call) {
  const RotaryArgs& args = call.args;
  if (args.q.rows == 0) return nullptr;
  const std::int64_t heads = (args.q.cols + 2 * args.k.cols) / args.head_dim;
  const dim3 blocks{static_cast<unsigned>(args.q.rows), static_cast<unsigned>(heads)};
  const unsigned threads = device::threads_for(args.head_dim / 2, kMostThreads);
  rotate<<<blocks, threads, 0, static_cast<cudaStream_t>(call.stream)>>>(args, call.position,
                                                                         call.room);
  return device::launch_error();
}

}  // namespace lowp::kernels
