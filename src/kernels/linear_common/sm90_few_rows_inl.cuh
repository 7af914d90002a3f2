// Matrix products of 8-bit operands on Hopper where A has few rows: bound by reading B, so B's rows
// are the tensor core's M side and A's rows its N side. A block takes 128 rows of B, and a cluster
// of blocks divides k: their sums meet in shared memory, in the order of the blocks, so that equal
// inputs give equal bits.
#pragma once

#include <algorithm>

#include "kernels/linear_common/sm90_gemm_launch_inl.cuh"
#include "kernels/runtime/cuda_shared.h"

namespace lowp::kernels::sm90 {
namespace {

constexpr int kFewThreads =
    2 * static_cast<int>(kWarpgroup) + 32;  // two consumers, a producer warp
constexpr int kFewShared = 112 << 10;       // two blocks a multiprocessor
constexpr int kMaxSplit = 2;                // 4 and 8 were slower on every shape measured

// Pair has B's type first: the operands are swapped.
template <class OperandPair, class SumType, int kMaxRows, bool kBlockScales, int kTileColumns = 64>
struct FewRowsConfig {
  using Operands = OperandPair;
  using Sum = SumType;
  static constexpr int kRows = kMaxRows;  // of A, padded
  static constexpr bool kBlocks = kBlockScales;
  static constexpr int kColumns = kTileColumns;  // rows of B: 64 a consumer
  static constexpr int kConsumers = kTileColumns / 64;
  static constexpr int kThreads = kConsumers * static_cast<int>(kWarpgroup) + 32;
  static constexpr int kSumPitch = kTileColumns + 4;  // no bank conflicts
  static constexpr int kBytesWeight = kTileColumns * kTileDepth;
  static constexpr int kBytesX = kMaxRows * kTileDepth;
  static constexpr int kStages = kFewShared / (kBytesWeight + kBytesX + 16);
  static constexpr int kTileBytes = kStages * (kBytesWeight + kBytesX);
  static constexpr int kShared = kTileBytes + kStages * 16;
  static_assert(kMaxRows * kSumPitch * 4 <= kTileBytes);
};

template <class Config>
struct FewRowsShared {
  unsigned base;

  __device__ unsigned weight(unsigned stage) const { return base + stage * Config::kBytesWeight; }
  __device__ unsigned x(unsigned stage) const {
    return weight(Config::kStages) + stage * Config::kBytesX;
  }
  __device__ unsigned full(unsigned stage) const { return x(Config::kStages) + stage * 8; }
  __device__ unsigned empty(unsigned stage) const { return full(Config::kStages) + stage * 8; }
};

// This block's steps of 128 of k.
struct Steps {
  int begin;
  int end;
};

__device__ inline Steps steps_of_block(int k, int rank, int split) {
  const int depth = (k + kTileDepth - 1) / kTileDepth;
  return {depth * rank / split, depth * (rank + 1) / split};
}

// The weight does not depend on the kernel before, which may be quantizing x still: its first
// stages are asked for at once.
template <class Config>
__device__ void produce_few_rows(const CUtensorMap* map_x, const CUtensorMap* map_weight,
                                 FewRowsShared<Config> shared, Steps steps, int column) {
  const auto load_weight = [&](unsigned stage, int step) {
    barrier_arrive_expect(shared.full(stage), Config::kBytesWeight + Config::kBytesX);
    tma_load(shared.weight(stage), map_weight, shared.full(stage), step * kTileDepth, column, 0,
             CacheHint::kEvictFirst);
  };
  const auto load_x = [&](unsigned stage, int step) {
    tma_load(shared.x(stage), map_x, shared.full(stage), step * kTileDepth, 0, 0,
             CacheHint::kEvictLast);
  };
  const int first = min(steps.end - steps.begin, Config::kStages);
  for (int i = 0; i < first; ++i) load_weight(i, steps.begin + i);
  wait_for_previous_kernel();
  for (int i = 0; i < first; ++i) load_x(i, steps.begin + i);
  Stage<Config::kStages> stage;
  for (int step = steps.begin + first; step < steps.end; ++step) {
    barrier_wait(shared.empty(stage.index), stage.parity);
    load_weight(stage.index, step);
    load_x(stage.index, step);
    stage.advance();
  }
}

// Scales of one step of k: of this block's 128 columns, and of this thread's rows of A.
template <class Config>
struct FewRowsScales {
  float row[Config::kRows / 4];
  float column;

  __device__ static FewRowsScales load(const GemmParams& params, int column, int step) {
    FewRowsScales scales{};
    if constexpr (Config::kBlocks) {
      const BlockScales& blocks = params.blocks;
      scales.column = __ldg(blocks.column_scale + column / 128 * blocks.column_stride +
                            step * blocks.column_block_stride);
#pragma unroll
      for (int i = 0; i < Config::kRows / 4; ++i) {
        const int row = 8 * (i / 2) + 2 * (lane() % 4) + i % 2;
        if (row < params.size.m) {
          // Not through the read-only cache: the kernel before may have written it a moment ago.
          scales.row[i] =
              __ldcg(blocks.row_scale + row * blocks.row_stride + step * blocks.row_block_stride);
        }
      }
    }
    return scales;
  }
};

// The sums of a block, promoted every step of 128 of k: sums[4 * j + 2 * h + c] is of column
// 8 * h + lane / 4 of the warp's 16, row 8 * j + 2 * (lane % 4) + c. A step's products are in the
// tensor cores while those of the step before are added.
template <class Config>
struct FewRowsSums {
  using Sum = typename Config::Sum;

  Sum (&sums)[Config::kRows / 2];
  const GemmParams& params;
  FewRowsShared<Config> shared;
  int column;
  int consumer;
  int step;  // of k, the next to add
  Stage<Config::kStages> started;
  Stage<Config::kStages> finished;

  __device__ void start(Sum (&part)[Config::kRows / 2]) {
    barrier_wait(shared.full(started.index), started.parity);
    pin_accumulators(part);
    const std::uint64_t weight =
        descriptor_128b(shared.weight(started.index) + consumer * 64 * kTileDepth);
    const std::uint64_t x = descriptor_128b(shared.x(started.index));
    wgmma_fence();
#pragma unroll
    for (int i = 0; i < kTileDepth / 32; ++i) {
      wgmma(typename Config::Operands{}, part, weight + 2 * i, x + 2 * i, i > 0);
    }
    wgmma_commit();
    started.advance();
  }

  __device__ void add(Sum (&part)[Config::kRows / 2]) {
    pin_accumulators(part);
    if (lane() == 0) barrier_arrive(shared.empty(finished.index));
    const auto scales = FewRowsScales<Config>::load(params, column, step);
#pragma unroll
    for (int i = 0; i < Config::kRows / 2; ++i) {
      if constexpr (Config::kBlocks) {
        sums[i] += part[i] * (scales.row[i / 4 * 2 + i % 2] * scales.column);
      } else {
        sums[i] += part[i];
      }
    }
    finished.advance();
    ++step;
  }
};

template <class Config>
__device__ void sum_few_rows(typename Config::Sum (&sums)[Config::kRows / 2],
                             const GemmParams& params, FewRowsShared<Config> shared, Steps steps,
                             int column, int consumer) {
  using Sum = typename Config::Sum;
#pragma unroll
  for (Sum& sum : sums) sum = 0;
  FewRowsSums<Config> block{sums, params, shared, column, consumer, steps.begin, {}, {}};
  const int count = steps.end - steps.begin;
  Sum even[Config::kRows / 2];
  Sum odd[Config::kRows / 2];
  block.start(even);
  for (int i = 2; i < count; i += 2) {
    block.start(odd);
    wgmma_wait<1>();
    block.add(even);
    block.start(even);
    wgmma_wait<1>();
    block.add(odd);
  }
  if (count % 2 == 0) {
    block.start(odd);
    wgmma_wait<1>();
    block.add(even);
    wgmma_wait<0>();
    block.add(odd);
  } else {
    wgmma_wait<0>();
    block.add(even);
  }
}

__device__ inline float4 load_remote(unsigned address, float) {
  float4 value;
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(value.x), "=f"(value.y), "=f"(value.z), "=f"(value.w)
               : "r"(address)
               : "memory");
  return value;
}
__device__ inline int4 load_remote(unsigned address, std::int32_t) {
  int4 value;
  asm volatile("ld.shared::cluster.v4.s32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "r"(address)
               : "memory");
  return value;
}

template <class Out>
__device__ void store_four(const Finish& finish, std::int64_t at, const float (&values)[4],
                           int count) {
  auto* out = static_cast<Out*>(finish.out) + at;
  const auto first = Pair<Out>::round({values[0], values[1]});
  const auto second = Pair<Out>::round({values[2], values[3]});
  if (count >= 4 && finish.by_copy_engine) {
    reinterpret_cast<typename Pair<Out>::Stored*>(out)[0] = first;
    reinterpret_cast<typename Pair<Out>::Stored*>(out)[1] = second;
    return;
  }
  const Out all[4] = {first.x, first.y, second.x, second.y};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < count) out[i] = all[i];
  }
}

// Four neighbours of a row of the output from the sums of all blocks of the cluster.
template <class Sum>
__device__ void finish_four(const GemmParams& params, unsigned address, int split, int row,
                            int column) {
  Sum sums[4] = {};
#pragma unroll
  for (int i = 0; i < kMaxSplit; ++i) {
    if (i >= split) continue;
    const auto part = load_remote(map_to_block(address, i), Sum{});
    sums[0] += part.x;
    sums[1] += part.y;
    sums[2] += part.z;
    sums[3] += part.w;
  }
  const Finish& finish = params.finish;
  const int count = min(4, params.size.n - column);
  const float row_scale =
      finish.row_scale == nullptr ? 1.0F : __ldcg(finish.row_scale + row * finish.row_stride);
  float values[4] = {};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i >= count) continue;
    if constexpr (std::is_same_v<Sum, std::int32_t>) {
      if (finish.row_zero_point != nullptr) {
        sums[i] -=
            std::int32_t{finish.row_zero_point[row]} * __ldg(finish.column_sums + column + i);
      }
    }
    const float column_scale =
        finish.column_scale == nullptr
            ? 1.0F
            : __ldg(finish.column_scale + std::int64_t{column + i} * finish.column_stride);
    values[i] = finish_element(sums[i], row_scale, column_scale, load_bias(finish, column + i));
  }
  const std::int64_t at = std::int64_t{row} * params.size.n + column;
  if (finish.out_dtype == DType::kBF16) {
    store_four<__nv_bfloat16>(finish, at, values, count);
  } else if (finish.out_dtype == DType::kF16) {
    store_four<__half>(finish, at, values, count);
  } else {
    store_four<float>(finish, at, values, count);
  }
}

template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 2)
    gemm_few_rows(const __grid_constant__ CUtensorMap map_x,
                  const __grid_constant__ CUtensorMap map_weight,
                  const __grid_constant__ GemmParams params, int split) {
  using Sum = typename Config::Sum;
  extern __shared__ __align__(1024) std::uint8_t memory[];
  const FewRowsShared<Config> shared{shared_address(memory)};
  const int rank = static_cast<int>(blockIdx.x) % split;
  const int column = static_cast<int>(blockIdx.x) / split * Config::kColumns;
  const Steps steps = steps_of_block(params.size.k, rank, split);
  if (threadIdx.x == 0) {
    for (int i = 0; i < Config::kStages; ++i) {
      barrier_init(shared.full(i), 1);
      barrier_init(shared.empty(i), Config::kConsumers * 4);
    }
    barrier_init_fence();
  }
  __syncthreads();

  const int consumer = static_cast<int>(threadIdx.x / kWarpgroup);
  if (consumer == Config::kConsumers) {
    if (elect_one()) produce_few_rows<Config>(&map_x, &map_weight, shared, steps, column);
    __syncwarp();
  } else {
    wait_for_previous_kernel();
    Sum sums[Config::kRows / 2];
    sum_few_rows<Config>(sums, params, shared, steps, column, consumer);
    named_barrier_sync(1, Config::kConsumers * kWarpgroup);  // the stages are free
    auto* staged = reinterpret_cast<Sum*>(memory);
#pragma unroll
    for (int i = 0; i < Config::kRows / 2; ++i) {
      const int row = i / 4 * 8 + 2 * (lane() % 4) + i % 2;
      const int n = consumer * 64 + row_of_thread() + i / 2 % 2 * 8;
      staged[row * Config::kSumPitch + n] = sums[i];
    }
  }
  if (split > 1) {
    cluster_sync();
  } else {
    __syncthreads();
  }
  if (consumer < Config::kConsumers) {
    constexpr int kFours = Config::kColumns / 4;
    constexpr int kStep = Config::kConsumers * static_cast<int>(kWarpgroup);
    for (int i = rank * kStep + static_cast<int>(threadIdx.x); i < params.size.m * kFours;
         i += split * kStep) {
      const int row = i / kFours;
      const int n = i % kFours * 4;
      if (column + n < params.size.n) {
        finish_four<Sum>(params, shared.base + (row * Config::kSumPitch + n) * 4, split, row,
                         column + n);
      }
    }
  }
  if (split > 1) cluster_leave();  // no block leaves while another reads its sums
}

// The blocks that divide k: two where two to a multiprocessor find room, at two steps each.
inline int split_of(int tiles, int k, int multiprocessors) {
  return tiles <= multiprocessors && k > 3 * kTileDepth ? 2 : 1;
}

// `after_previous`: the kernel before in the stream writes what belongs to A and nothing else; this
// one may start before it has ended.
template <class Config>
const char* launch_few_rows(const GemmOperand& x, const GemmOperand& weight,
                            const GemmParams& params, bool after_previous, cudaStream_t stream) {
  CUtensorMap map_x;
  CUtensorMap map_weight;
  if (const char* error = make_operand_map(map_x, x, params.size.k, Config::kRows)) return error;
  if (const char* error = make_operand_map(map_weight, weight, params.size.k, Config::kColumns))
    return error;
  cudaError_t error = allow_shared_memory<gemm_few_rows<Config>>(Config::kShared);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  const int tiles = (params.size.n + Config::kColumns - 1) / Config::kColumns;
  const int split = split_of(tiles, params.size.k, multiprocessors());
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeClusterDimension;
  attributes[0].val.clusterDim = {static_cast<unsigned>(split), 1, 1};
  attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[1].val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(tiles * split));
  config.blockDim = dim3(Config::kThreads);
  config.dynamicSmemBytes = Config::kShared;
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = after_previous ? 2 : 1;
  error = cudaLaunchKernelEx(&config, gemm_few_rows<Config>, map_x, map_weight, params, split);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace
}  // namespace lowp::kernels::sm90
