// Matrix products of 8-bit operands on Hopper, A (M, K) B (N, K)^T: persistent blocks of a producer
// warp, which keeps a ring of stages full through the copy engine, and two consumer warpgroups of
// 64 rows each. The two blocks of a cluster lie below each other and load half of their common
// columns each, for both.
#pragma once

#include "kernels/linear_common/sm90_finish_inl.cuh"
#include "kernels/runtime/sm90_wgmma_inl.cuh"

namespace lowp::kernels::sm90 {
namespace {

constexpr int kTileRows = 128;
constexpr int kTileDepth = 128;  // bytes of k a stage
constexpr int kConsumers = 2;
constexpr int kThreads = static_cast<int>(kWarpgroup) * (1 + kConsumers);
constexpr int kConsumerRows = kTileRows / kConsumers;
constexpr int kSharedBytes = 232448;  // what a block may have

// Where sums are kept.
//   kDirect        in the tensor core's accumulators, to the end
//   kAlternating   the same, of tiles of 128x128 that the two consumers take in turns: one finishes
//                  a tile while the other multiplies
//   kPromoted      added to fp32 registers every 128 of k
//   kBlocks        the same, times a scale per row and one per 128 columns
//   kBlockColumns  the same, times a scale per row and one per column
enum class Mainloop { kDirect, kAlternating, kPromoted, kBlocks, kBlockColumns };

template <class OperandPair, class SumType, Mainloop kLoop, int kTileColumns, int kClusterBlocks>
struct GemmConfig {
  using Operands = OperandPair;
  using Sum = SumType;
  static constexpr Mainloop kMainloop = kLoop;
  static constexpr int kColumns = kTileColumns;
  static constexpr int kCluster = kClusterBlocks;
  static constexpr bool kAlternating = kLoop == Mainloop::kAlternating;
  // Warps that release a stage in each block.
  static constexpr int kReleases = kAlternating ? 4 : 4 * kConsumers;

  static constexpr bool kScales = kLoop == Mainloop::kBlocks || kLoop == Mainloop::kBlockColumns;
  // Of a thread. Together at most the 168 that each of the three warpgroups starts with, or the
  // consumers wait for ever.
  static constexpr unsigned kProducerRegisters = 40;
  static constexpr unsigned kConsumerRegisters = 232;
  static_assert(kProducerRegisters + kConsumers * kConsumerRegisters <= (1 + kConsumers) * 168);

  static constexpr int kBytesA = kTileRows * kTileDepth;
  static constexpr int kBytesB = kTileColumns * kTileDepth;
  static constexpr int kColumnScales = kLoop == Mainloop::kBlockColumns ? kTileColumns : 4;
  static constexpr int kBytesScales = kScales ? (kTileRows + kColumnScales) * 4 : 0;
  static constexpr int kStaging = kConsumers * 4 * 2 * kStoreBytes;
  static constexpr int kFixedBytes = kStaging + kConsumers * kColumnsBytes;
  static constexpr int kStages =
      (kSharedBytes - kFixedBytes) / (kBytesA + kBytesB + kBytesScales + 16);
  static constexpr int kShared = kFixedBytes + kStages * (kBytesA + kBytesB + kBytesScales + 16);
};

// Shared memory, by address. Tiles first: they are aligned to 1024.
template <class Config>
struct Shared {
  unsigned base;

  __device__ unsigned a(unsigned stage) const { return base + stage * Config::kBytesA; }
  __device__ unsigned b(unsigned stage) const {
    return a(Config::kStages) + stage * Config::kBytesB;
  }
  __device__ unsigned staging() const { return b(Config::kStages); }
  __device__ unsigned columns() const { return staging() + Config::kStaging; }
  __device__ unsigned scales(unsigned stage) const {
    return columns() + kConsumers * kColumnsBytes + stage * Config::kBytesScales;
  }
  __device__ unsigned full(unsigned stage) const { return scales(Config::kStages) + stage * 8; }
  __device__ unsigned empty(unsigned stage) const { return full(Config::kStages) + stage * 8; }
};

// The tiles of one cluster, one after the other.
template <class Config>
struct TileWalk {
  const GemmTiles& tiles;
  int index;
  int step;

  __device__ explicit TileWalk(const GemmTiles& of)
      : tiles(of),
        index(static_cast<int>(blockIdx.x) / Config::kCluster),
        step(static_cast<int>(gridDim.x) / Config::kCluster) {}

  __device__ bool done() const { return index >= tiles.rows * tiles.columns * tiles.batch; }
  __device__ void next() { index += step; }

  // The first row and column of this block's tile.
  __device__ Place place(int rank) const {
    const int matrix = tiles.rows * tiles.columns;
    const int batch = index / matrix;
    const int rest = index - batch * matrix;
    const int group = rest / (tiles.group * tiles.columns);
    const int in_group = rest - group * tiles.group * tiles.columns;
    const int rows = min(tiles.group, tiles.rows - group * tiles.group);
    const int column = in_group / rows;
    const int row = group * tiles.group + in_group - column * rows;
    return {(row * Config::kCluster + rank) * kTileRows, column * Config::kColumns, batch};
  }
};

template <class Config>
__device__ void produce(const CUtensorMap* map_a, const CUtensorMap* map_b,
                        const GemmParams& params, Shared<Config> shared, int rank) {
  constexpr int kPart = Config::kColumns / Config::kCluster;
  constexpr auto kAll = static_cast<std::uint16_t>((1 << Config::kCluster) - 1);
  const int depth = (params.size.k + kTileDepth - 1) / kTileDepth;
  Stage<Config::kStages> stage;
  for (TileWalk<Config> walk(params.tiles); !walk.done(); walk.next()) {
    const Place place = walk.place(rank);
    for (int i = 0; i < depth; ++i) {
      barrier_wait(shared.empty(stage.index), stage.parity ^ 1);
      const unsigned full = shared.full(stage.index);
      barrier_arrive_expect(full, Config::kBytesA + Config::kBytesB);
      tma_load(shared.a(stage.index), map_a, full, i * kTileDepth, place.row,
               params.a_batched ? place.batch : 0);
      const unsigned b = shared.b(stage.index) + rank * kPart * kTileDepth;
      const int column = place.column + rank * kPart;
      const int matrix = params.b_batched ? place.batch : 0;
      if constexpr (Config::kCluster > 1) {
        tma_load_multicast(b, map_b, full, i * kTileDepth, column, matrix, kAll);
      } else {
        tma_load(b, map_b, full, i * kTileDepth, column, matrix);
      }
      stage.advance();
    }
  }
}

// 4 bytes of device memory to shared memory; they arrive at a barrier with copy_arrive.
__device__ inline void copy_async(unsigned destination, const float* source) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(destination), "l"(source)
               : "memory");
}
__device__ inline void copy_arrive(unsigned barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

// A warp brings the scales of each stage: those of the rows, then those of the columns. Rows and
// columns outside, whose sums are zero, get those of the last one inside.
template <class Config>
__device__ void produce_scales(const GemmParams& params, Shared<Config> shared, int rank) {
  const int depth = (params.size.k + kTileDepth - 1) / kTileDepth;
  const BlockScales& blocks = params.blocks;
  Stage<Config::kStages> stage;
  for (TileWalk<Config> walk(params.tiles); !walk.done(); walk.next()) {
    const Place place = walk.place(rank);
    const float* row_scale = blocks.row_scale + place.batch * blocks.row_batch_stride;
    const float* column_scale = blocks.column_scale + place.batch * blocks.column_batch_stride;
    for (int i = 0; i < depth; ++i) {
      barrier_wait(shared.empty(stage.index), stage.parity ^ 1);
      const unsigned scales = shared.scales(stage.index);
      // Not unrolled: the producers have few registers.
#pragma unroll 1
      for (int j = lane(); j < kTileRows; j += 32) {
        const int row = min(place.row + j, params.size.m - 1) >> blocks.row_shift;
        copy_async(scales + j * 4,
                   row_scale + row * blocks.row_stride + i * blocks.row_block_stride);
        if (Config::kMainloop == Mainloop::kBlocks && j > 0) continue;
        const int column = Config::kMainloop == Mainloop::kBlocks
                               ? place.column / 128
                               : min(place.column + j, params.size.n - 1);
        copy_async(scales + (kTileRows + j) * 4,
                   column_scale + column * blocks.column_stride + i * blocks.column_block_stride);
      }
      copy_arrive(shared.full(stage.index));
      stage.advance();
    }
  }
}

// A consumer warp is done with a stage: its own block and the others, whose copies fill it too, may
// overwrite it.
template <class Config>
__device__ void release(Shared<Config> shared, unsigned stage) {
  if constexpr (Config::kCluster > 1) {
    if (lane() < Config::kCluster) {
      barrier_arrive_remote(map_to_block(shared.empty(stage), lane()));
    }
  } else {
    if (lane() == 0) barrier_arrive(shared.empty(stage));
  }
}

// 64 rows of a stage's A times kCount of its columns.
template <class Config, int kCount>
__device__ void multiply_stage(typename Config::Sum (&sums)[kCount / 2], unsigned a, unsigned b,
                               bool accumulate) {
  const std::uint64_t a_rows = descriptor_128b(a);
  const std::uint64_t b_rows = descriptor_128b(b);
  wgmma_fence();
#pragma unroll
  for (int i = 0; i < kTileDepth / 32; ++i) {
    wgmma(typename Config::Operands{}, sums, a_rows + 2 * i, b_rows + 2 * i, accumulate || i > 0);
  }
  wgmma_commit();
}

template <class Config>
__device__ void sum_direct(typename Config::Sum (&sums)[Config::kColumns / 2],
                           Shared<Config> shared, Stage<Config::kStages>& stage, int depth,
                           int consumer) {
  unsigned previous = 0;
  pin_accumulators(sums);
  for (int i = 0; i < depth; ++i) {
    barrier_wait(shared.full(stage.index), stage.parity);
    multiply_stage<Config, Config::kColumns>(
        sums, shared.a(stage.index) + consumer * kConsumerRows * kTileDepth, shared.b(stage.index),
        i > 0);
    if (i > 0) {
      wgmma_wait<1>();
      release(shared, previous);
    }
    previous = stage.index;
    stage.advance();
  }
  wgmma_wait<0>();
  pin_accumulators(sums);
  if (depth > 0) release(shared, previous);
}

__device__ inline float load_shared(unsigned address) {
  float value;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(address) : "memory");
  return value;
}

// The scales of this thread's two rows in a stage, times that of the columns if they share one.
struct RowScales {
  float row[2];
};
template <class Config>
__device__ RowScales load_row_scales(unsigned scales, int consumer) {
  if constexpr (!Config::kScales) return {};
  const unsigned rows = scales + (consumer * kConsumerRows + row_of_thread()) * 4;
  RowScales result{{load_shared(rows), load_shared(rows + 8 * 4)}};
  if constexpr (Config::kMainloop == Mainloop::kBlocks) {
    const float column = load_shared(scales + kTileRows * 4);
    result.row[0] *= column;
    result.row[1] *= column;
  }
  return result;
}

// Adds the sums of a stage to those of the tile.
template <class Config>
__device__ void promote(float (&sums)[64], const float (&part)[64], RowScales scales,
                        unsigned column_scales) {
#pragma unroll
  for (int j = 0; j < 16; ++j) {
    float column[2] = {1.0F, 1.0F};
    if constexpr (Config::kMainloop == Mainloop::kBlockColumns) {
      asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];"
                   : "=f"(column[0]), "=f"(column[1])
                   : "r"(column_scales + (8 * j + 2 * (lane() % 4)) * 4));
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float value = part[4 * j + i];
      if constexpr (Config::kMainloop == Mainloop::kPromoted) {
        sums[4 * j + i] += value;
      } else if constexpr (Config::kMainloop == Mainloop::kBlocks) {
        sums[4 * j + i] += value * scales.row[i / 2];
      } else {
        sums[4 * j + i] += value * (scales.row[i / 2] * column[i % 2]);
      }
    }
  }
}

// The sums of a tile, promoted. A stage's products are in the tensor cores while those of the stage
// before are added; the compiler must see each wait on the way to its sums.
template <class Config>
struct PromotedSums {
  static_assert(Config::kColumns == 128);
  float (&sums)[64];
  Shared<Config> shared;
  Stage<Config::kStages>& started;  // the next stage to start
  Stage<Config::kStages> finished;  // the next stage to add
  int consumer;

  __device__ void start(float (&part)[64]) {
    barrier_wait(shared.full(started.index), started.parity);
    pin_accumulators(part);
    multiply_stage<Config, 128>(part,
                                shared.a(started.index) + consumer * kConsumerRows * kTileDepth,
                                shared.b(started.index), false);
    started.advance();
  }

  __device__ void add(float (&part)[64]) {
    pin_accumulators(part);
    const unsigned scales = shared.scales(finished.index);
    const RowScales rows = load_row_scales<Config>(scales, consumer);
    if constexpr (Config::kMainloop != Mainloop::kBlockColumns) {
      __syncwarp();
      release(shared, finished.index);
    }
    promote<Config>(sums, part, rows, scales + kTileRows * 4);
    if constexpr (Config::kMainloop == Mainloop::kBlockColumns) {
      __syncwarp();
      release(shared, finished.index);
    }
    finished.advance();
  }
};

template <class Config>
__device__ void sum_promoted(float (&sums)[64], Shared<Config> shared,
                             Stage<Config::kStages>& stage, int depth, int consumer) {
#pragma unroll
  for (float& sum : sums) sum = 0.0F;
  PromotedSums<Config> tile{sums, shared, stage, stage, consumer};
  float even[64];
  float odd[64];
  tile.start(even);
  for (int i = 2; i < depth; i += 2) {
    tile.start(odd);
    wgmma_wait<1>();
    tile.add(even);
    tile.start(even);
    wgmma_wait<1>();
    tile.add(odd);
  }
  if (depth % 2 == 0) {
    tile.start(odd);
    wgmma_wait<1>();
    tile.add(even);
    wgmma_wait<0>();
    tile.add(odd);
  } else {
    wgmma_wait<0>();
    tile.add(even);
  }
}

// 128 rows of a tile by one warpgroup.
template <class Config>
__device__ void sum_alternating(typename Config::Sum (&sums)[2][64], Shared<Config> shared,
                                Stage<Config::kStages>& stage, int depth) {
  unsigned previous = 0;
  pin_accumulators(sums[0]);
  pin_accumulators(sums[1]);
  for (int i = 0; i < depth; ++i) {
    barrier_wait(shared.full(stage.index), stage.parity);
    const std::uint64_t a = descriptor_128b(shared.a(stage.index));
    const std::uint64_t b = descriptor_128b(shared.b(stage.index));
    wgmma_fence();
#pragma unroll
    for (int j = 0; j < kTileDepth / 32; ++j) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        wgmma(typename Config::Operands{}, sums[half], a + half * (64 * kTileDepth >> 4) + 2 * j,
              b + 2 * j, i > 0 || j > 0);
      }
    }
    wgmma_commit();
    if (i > 0) {
      wgmma_wait<1>();
      release(shared, previous);
    }
    previous = stage.index;
    stage.advance();
  }
  wgmma_wait<0>();
  pin_accumulators(sums[0]);
  pin_accumulators(sums[1]);
  release(shared, previous);
}

// The stages of the other consumer's tiles are skipped: the producer fills them in the order of the
// tiles.
template <class Config>
__device__ void consume_alternating(const CUtensorMap* map_out, const GemmParams& params,
                                    Shared<Config> shared, float2* columns, int rank) {
  const int consumer = static_cast<int>(threadIdx.x / kWarpgroup) - 1;
  const int depth = (params.size.k + kTileDepth - 1) / kTileDepth;
  const unsigned staging =
      shared.staging() + (consumer * 4 + warp_of_warpgroup()) * 2 * kStoreBytes;
  Stage<Config::kStages> stage;
  TileWalk<Config> walk(params.tiles);
  if (consumer == 1) {
    walk.next();
    stage.skip(depth);
  }
  while (!walk.done()) {
    Place place = walk.place(rank);
    typename Config::Sum sums[2][64];
    sum_alternating<Config>(sums, shared, stage, depth);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const auto scales = load_tile_scales<128>(params.finish, params.size, place);
      finish_tile<typename Config::Sum, 128>(map_out, params.finish, params.size, place, sums[half],
                                             scales, columns + 128 * consumer, staging,
                                             1 + consumer);
      place.row += 64;
    }
    walk.next();
    walk.next();
    stage.skip(depth);
  }
  if (lane() == 0) tma_store_wait_read<0>();
}

template <class Config>
__device__ void consume(const CUtensorMap* map_out, const GemmParams& params, Shared<Config> shared,
                        float2* columns, int rank) {
  const int consumer = static_cast<int>(threadIdx.x / kWarpgroup) - 1;
  const int depth = (params.size.k + kTileDepth - 1) / kTileDepth;
  const unsigned staging =
      shared.staging() + (consumer * 4 + warp_of_warpgroup()) * 2 * kStoreBytes;
  Stage<Config::kStages> stage;
  for (TileWalk<Config> walk(params.tiles); !walk.done(); walk.next()) {
    Place place = walk.place(rank);
    place.row += consumer * kConsumerRows;
    const auto scales = load_tile_scales<Config::kColumns>(params.finish, params.size, place);
    typename Config::Sum sums[Config::kColumns / 2];
    if constexpr (Config::kMainloop == Mainloop::kDirect) {
      sum_direct<Config>(sums, shared, stage, depth, consumer);
    } else {
      sum_promoted<Config>(sums, shared, stage, depth, consumer);
    }
    finish_tile<typename Config::Sum, Config::kColumns>(map_out, params.finish, params.size, place,
                                                        sums, scales, columns + 128 * consumer,
                                                        staging, 1 + consumer);
  }
  if (lane() == 0) tma_store_wait_read<0>();
}

template <class Config>
__global__ void __launch_bounds__(kThreads, 1)
    gemm(const __grid_constant__ CUtensorMap map_a, const __grid_constant__ CUtensorMap map_b,
         const __grid_constant__ CUtensorMap map_out, const __grid_constant__ GemmParams params) {
  extern __shared__ __align__(1024) std::uint8_t memory[];
  const Shared<Config> shared{shared_address(memory)};
  const int rank = Config::kCluster > 1 ? static_cast<int>(cluster_rank()) : 0;
  if (threadIdx.x == 0) {
    for (int i = 0; i < Config::kStages; ++i) {
      barrier_init(shared.full(i), Config::kScales ? 33 : 1);
      barrier_init(shared.empty(i), Config::kReleases * Config::kCluster);
    }
    barrier_init_fence();
    prefetch_tensor_map(&map_a);
    prefetch_tensor_map(&map_b);
    prefetch_tensor_map(&map_out);
  }
  if constexpr (Config::kCluster > 1) {
    cluster_sync();
  } else {
    __syncthreads();
  }

  if (threadIdx.x < kWarpgroup) {
    registers_decrease<Config::kProducerRegisters>();
    if (threadIdx.x < 32) {
      if (elect_one()) produce<Config>(&map_a, &map_b, params, shared, rank);
    } else if (threadIdx.x < 64) {
      if constexpr (Config::kScales) {
        produce_scales<Config>(params, shared, rank);
      }
    }
  } else {
    registers_increase<Config::kConsumerRegisters>();
    auto* columns = reinterpret_cast<float2*>(memory + (shared.columns() - shared.base));
    if constexpr (Config::kAlternating) {
      consume_alternating<Config>(&map_out, params, shared, columns, rank);
    } else {
      consume<Config>(&map_out, params, shared, columns, rank);
    }
  }
  // No block leaves while another still writes to its memory or its barriers.
  __syncwarp();
  if constexpr (Config::kCluster > 1) cluster_sync();
}

}  // namespace
}  // namespace lowp::kernels::sm90
