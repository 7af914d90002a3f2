#include <algorithm>
#include <cmath>

#include "kernels/attention_decode/cuda.h"
#include "kernels/quantize_common/cuda_launch.h"
#include "kernels/runtime/cuda_elements_inl.cuh"

namespace lowp::kernels {
namespace {

using device::kVector;
using device::RawVector;
using device::Vector;

// Of a block: shared memory holds the sums of its warps.
constexpr int threads_of(int lanes, int group) { return lanes * group > 128 ? 128 : 256; }

constexpr int kBlocks = 264;          // two a multiprocessor of an H100
constexpr int kMostSplits = 32;       // more cost more to combine than they save,
constexpr int kLeastPositions = 128;  // and so do blocks with fewer positions

// How the heads and positions are cut. H query heads share KV key-value heads, `group` each; a
// block takes up to kGroup of a group, `chunks` make the whole.
struct Cut {
  int group;
  int chunks;
  int splits;
};

Cut cut(const AttentionDecodeArgs& args) {
  const auto group = static_cast<int>(args.q.rows / args.kv_heads);
  const int chunks = (group + 7) / 8;
  const auto heads = static_cast<std::int64_t>(args.kv_heads) * chunks;
  const std::int64_t by_length = (args.positions + kLeastPositions - 1) / kLeastPositions;
  const std::int64_t by_blocks = std::clamp<std::int64_t>(kBlocks / heads, 1, kMostSplits);
  return {group, chunks,
          static_cast<int>(std::max<std::int64_t>(std::min(by_length, by_blocks), 1))};
}

struct Attention {
  AttentionDecodeArgs args;
  const std::int64_t* key_range;
  float* partial;  // (splits, H, D + 2): sums, then largest score and sum of weights
  int group;
};

// Softmax over some positions so far: sum of weights exp(score - largest), and of weighted values.
struct Sums {
  float largest = -INFINITY;
  float total = 0.0F;
  float values[kVector] = {};
};

__device__ float weight_of(float score, float largest) {
  return largest == -INFINITY ? 0.0F : __expf(score - largest);
}

template <int kLanes>
__device__ float sum_over_lanes(float value) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(device::kAllLanes, value, offset);
  }
  return value;
}

// A thread's eight elements of a row of `cols`; zeros behind its end.
template <DType kType>
__device__ RawVector<kType> load_part(const void* row, int begin, int cols) {
  return begin < cols ? RawVector<kType>::load(row, begin) : RawVector<kType>{};
}

// Takes kUnroll scores of one head and their values into the sums.
template <DType kType, int kUnroll>
__device__ void add(Sums& sums, const float (&scores)[kUnroll],
                    const RawVector<kType> (&values)[kUnroll]) {
  float largest = sums.largest;
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) largest = fmaxf(largest, scores[u]);
  const float keep = weight_of(sums.largest, largest);
  sums.largest = largest;
  sums.total *= keep;
#pragma unroll
  for (int i = 0; i < kVector; ++i) sums.values[i] *= keep;
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    const float weight = weight_of(scores[u], largest);
    const Vector value = values[u].values();
    sums.total += weight;
#pragma unroll
    for (int i = 0; i < kVector; ++i) sums.values[i] += weight * value.v[i];
  }
}

// Sums of the rows of a warp, kLanes lanes each, in the lanes of all of them.
template <int kLanes>
__device__ void add_rows_of_warp(Sums& sums) {
#pragma unroll
  for (int offset = kLanes; offset < 32; offset *= 2) {
    const float other = __shfl_xor_sync(device::kAllLanes, sums.largest, offset);
    const float largest = fmaxf(sums.largest, other);
    const float keep = weight_of(sums.largest, largest);
    sums.largest = largest;
    sums.total *= keep;
    sums.total += __shfl_xor_sync(device::kAllLanes, sums.total, offset);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      sums.values[i] *= keep;
      sums.values[i] += __shfl_xor_sync(device::kAllLanes, sums.values[i], offset);
    }
  }
}

// The positions of this block.
struct Range {
  int begin;
  int end;
};

__device__ Range range_of_block(const Attention& call, int step) {
  const auto most = static_cast<int>(call.args.positions);
  int first = 0, last = most;
  if (call.key_range != nullptr) {
    first = static_cast<int>(max(call.key_range[0], std::int64_t{0}));
    last = static_cast<int>(min(call.key_range[1], std::int64_t{most}));
  }
  const auto splits = static_cast<int>(gridDim.x);
  const int share = (last - first + splits - 1) / splits;
  const int whole = (share + step - 1) / step * step;
  const int begin = first + static_cast<int>(blockIdx.x) * whole;
  return {begin, min(begin + whole, last)};
}

// A block a split (x), key-value head (y) and chunk of the heads that share it (z). kLanes threads
// have a position, eight elements each.
template <DType kType, int kLanes, int kGroup>
__global__ void __launch_bounds__(threads_of(kLanes, kGroup)) attend(const Attention call) {
  constexpr int kThreads = threads_of(kLanes, kGroup);
  constexpr int kWarps = kThreads / 32;
  constexpr int kRows = kThreads / kLanes;
  // Positions whose keys and values a thread has in flight: what its registers hold.
  constexpr int kUnroll = kGroup == 8 ? 2 : 4;
  const AttentionDecodeArgs& args = call.args;
  const auto d = static_cast<int>(args.q.cols);
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int row = static_cast<int>(threadIdx.x) / kLanes;
  const int first_head = static_cast<int>(blockIdx.z) * kGroup;
  const int head = static_cast<int>(blockIdx.y) * call.group + first_head;
  const int heads = min(kGroup, call.group - first_head);
  const std::int64_t from_head = blockIdx.y * args.head_stride;
  const void* keys = device::advance(args.keys, kType, from_head);
  const void* values = device::advance(args.values, kType, from_head);

  wait_for_kernel_before();
  start_next_kernel();
  Vector q[kGroup];
  Sums sums[kGroup];
#pragma unroll
  for (int g = 0; g < kGroup; ++g) {
    const void* from = device::advance(args.q.data, kType, (head + g) * args.q.stride);
    q[g] = load_part<kType>(from, lane * kVector, g < heads ? d : 0).values();
  }

  const Range range = range_of_block(call, kRows * kUnroll);
  RawVector<kType> next_k[kUnroll], next_v[kUnroll];
  const auto load = [&](int begin) {
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const std::int64_t position = min(begin + u * kRows + row, range.end - 1);
      next_k[u] = load_part<kType>(device::advance(keys, kType, position * d), lane * kVector, d);
      next_v[u] = load_part<kType>(device::advance(values, kType, position * d), lane * kVector, d);
    }
  };
  if (range.begin < range.end) load(range.begin);
  for (int begin = range.begin; begin < range.end; begin += kRows * kUnroll) {
    RawVector<kType> k[kUnroll], v[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) k[u] = next_k[u], v[u] = next_v[u];
    if (begin + kRows * kUnroll < range.end) load(begin + kRows * kUnroll);
    float scores[kGroup][kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const Vector key = k[u].values();
#pragma unroll
      for (int g = 0; g < kGroup; ++g) {
        float dot = 0.0F;
#pragma unroll
        for (int i = 0; i < kVector; ++i) dot += q[g].v[i] * key.v[i];
        dot = sum_over_lanes<kLanes>(dot) * args.scale;
        scores[g][u] = begin + u * kRows + row < range.end ? dot : -INFINITY;
      }
    }
#pragma unroll
    for (int g = 0; g < kGroup; ++g) add<kType, kUnroll>(sums[g], scores[g], v);
  }

  // The rows of a warp together, then the warps: each thread one element of a head at a time.
  __shared__ float shared_values[kWarps][kGroup][kLanes * kVector];
  __shared__ float shared_largest[kWarps][kGroup], shared_total[kWarps][kGroup];
  const auto warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll
  for (int g = 0; g < kGroup; ++g) {
    add_rows_of_warp<kLanes>(sums[g]);
    if (static_cast<int>(threadIdx.x) % 32 >= kLanes) continue;
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      shared_values[warp][g][lane * kVector + i] = sums[g].values[i];
    }
    if (lane == 0) {
      shared_largest[warp][g] = sums[g].largest;
      shared_total[warp][g] = sums[g].total;
    }
  }
  __syncthreads();
  for (auto element = static_cast<int>(threadIdx.x); element < heads * d; element += kThreads) {
    const int g = element / d, i = element % d;
    float largest = -INFINITY, total = 0.0F, sum = 0.0F;
#pragma unroll
    for (int r = 0; r < kWarps; ++r) largest = fmaxf(largest, shared_largest[r][g]);
#pragma unroll
    for (int r = 0; r < kWarps; ++r) {
      const float weight = weight_of(shared_largest[r][g], largest);
      total += weight * shared_total[r][g];
      sum += weight * shared_values[r][g][i];
    }
    if (gridDim.x == 1) {
      device::store(args.out.data, kType, (head + g) * args.out.stride + i, sum / total);
      continue;
    }
    float* partial = call.partial + (blockIdx.x * args.q.rows + head + g) * (d + 2);
    partial[i] = sum;
    if (i == 0) {
      partial[d] = largest;
      partial[d + 1] = total;
    }
  }
}

// The splits of each head together: a block a head, first a thread a split, then one an element.
__global__ void __launch_bounds__(kLargestHeadDimCuda) combine(const Attention call, int splits) {
  __shared__ float weights[kMostSplits];
  const AttentionDecodeArgs& args = call.args;
  const auto d = static_cast<int>(args.q.cols), threads = static_cast<int>(blockDim.x);
  const auto thread = static_cast<int>(threadIdx.x);
  const std::int64_t head = blockIdx.x, stride = args.q.rows * (d + 2);
  const float* partial = call.partial + head * (d + 2);
  float largest = -INFINITY, total = 0.0F;
  wait_for_kernel_before();
  for (int s = thread; s < splits; s += threads) largest = fmaxf(largest, partial[s * stride + d]);
  largest = device::block_reduce(largest, -INFINITY, [](float a, float b) { return fmaxf(a, b); });
  for (int s = thread; s < splits; s += threads) {
    weights[s] = weight_of(partial[s * stride + d], largest);
    total += weights[s] * partial[s * stride + d + 1];
  }
  total = device::block_sum(total);
  __syncthreads();
  if (thread >= d) return;
  float sum = 0.0F;
#pragma unroll 8
  for (int s = 0; s < splits; ++s) sum += weights[s] * partial[s * stride + thread];
  device::store(args.out.data, args.out.dtype, head * args.out.stride + thread, sum / total);
}

struct Kernel {
  void (*function)(Attention);
  int threads;
};

template <DType kType, int kLanes, int kGroup>
constexpr Kernel kKernel{attend<kType, kLanes, kGroup>, threads_of(kLanes, kGroup)};

template <DType kType, int kLanes>
Kernel choose_group(int group) {
  if (group == 1) return kKernel<kType, kLanes, 1>;
  return group <= 4 ? kKernel<kType, kLanes, 4> : kKernel<kType, kLanes, 8>;
}

template <DType kType>
Kernel choose_lanes(std::int64_t head_dim, int group) {
  if (head_dim <= 64) return choose_group<kType, 8>(group);
  return head_dim <= 128 ? choose_group<kType, 16>(group) : choose_group<kType, 32>(group);
}

Kernel choose_kernel(const AttentionDecodeArgs& args, int group) {
  if (args.q.dtype == DType::kF32) return choose_lanes<DType::kF32>(args.q.cols, group);
  if (args.q.dtype == DType::kF16) return choose_lanes<DType::kF16>(args.q.cols, group);
  return choose_lanes<DType::kBF16>(args.q.cols, group);
}

}  // namespace

bool attention_decode_takes(const AttentionDecodeArgs& args) {
  const DType dtype = args.q.dtype;
  const std::int64_t d = args.q.cols;
  return d <= kLargestHeadDimCuda && device::is_aligned(args.q.data, dtype, d, args.q.stride) &&
         device::is_aligned(args.keys, dtype, d, args.head_stride) &&
         device::is_aligned(args.values, dtype, d, args.head_stride);
}

std::int64_t attention_decode_workspace(const AttentionDecodeArgs& args) {
  const int splits = cut(args).splits;
  return splits == 1 ? 0 : splits * args.q.rows * (args.q.cols + 2);
}

const char* attention_decode_cuda(const AttentionDecodeCuda& call) {
  const AttentionDecodeArgs& args = call.args;
  if (args.q.rows == 0 || args.q.cols == 0) return nullptr;
  const auto [group, chunks, splits] = cut(args);
  const Attention attention{args, call.key_range, call.workspace, group};
  const dim3 blocks{static_cast<unsigned>(splits), static_cast<unsigned>(args.kv_heads),
                    static_cast<unsigned>(chunks)};
  auto* stream = static_cast<cudaStream_t>(call.stream);
  const Kernel kernel = choose_kernel(args, group);
  launch_overlapped(kernel.function, blocks, kernel.threads, 0, stream, attention);
  if (splits > 1) {
    launch_overlapped(combine, dim3(static_cast<unsigned>(args.q.rows)), kLargestHeadDimCuda, 0,
                      stream, attention, splits);
  }
  return device::launch_error();
}

}  // namespace lowp::kernels
