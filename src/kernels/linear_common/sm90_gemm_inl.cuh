// Matrix products of 8-bit operands on Hopper, A (M, K) B (N, K)^T: persistent blocks of a producer
// warp, which keeps a ring of stages full through the copy engine, and two consumer warpgroups of
// 64 rows each. The two blocks of a cluster lie below each other and load half of their common
// columns each, for both.
#pragma once

#include "kernels/linear_common/sm90_gemm_scales_inl.cuh"
#include "kernels/runtime/sm90_tma_inl.cuh"
#include "kernels/runtime/sm90_wgmma_inl.cuh"

namespace lowp::kernels::sm90 {
namespace {

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

// Adds the sums of a stage in 128 columns to those of the tile.
template <class Config, int kHalf>
__device__ void promote(float (&sums)[Config::kColumns / 2], const float (&part)[64],
                        const StageScales<Config>& scales) {
  constexpr Mainloop kLoop = Config::kMainloop;
  float row[2] = {scales.row[0], scales.row[1]};
  if constexpr (kLoop == Mainloop::kBlocks) {
    pin_accumulators(row);  // else multiplied, and so waited for, before the products
    row[0] *= scales.block[kHalf];
    row[1] *= scales.block[kHalf];
  }
#pragma unroll
  for (int j = 0; j < 16; ++j) {
    float column[2] = {1.0F, 1.0F};
    if constexpr (kLoop == Mainloop::kBlockColumns) {
      asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];"
                   : "=f"(column[0]), "=f"(column[1])
                   : "r"(scales.columns + (128 * kHalf + 8 * j + 2 * (lane() % 4)) * 4));
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& sum = sums[64 * kHalf + 4 * j + i];
      const float value = part[4 * j + i];
      if constexpr (kLoop == Mainloop::kPromoted) {
        sum += value;
      } else if constexpr (kLoop == Mainloop::kBlocks) {
        sum += value * row[i / 2];
      } else {
        sum += value * (row[i / 2] * column[i % 2]);
      }
    }
  }
}

// A stage's products of 128 columns, and the scales that they will need.
template <class Config>
struct Part {
  float sums[64];
  StageScales<Config> scales;
};

// The sums of a tile, promoted.
template <class Config>
struct PromotedSums {
  float (&sums)[Config::kColumns / 2];
  Shared<Config> shared;
  Stage<Config::kStages>& started;  // the next stage to start
  ScaleReader<Config>& reader;
  BlockScaleLoader<Config> loader;
  Stage<Config::kStages> finished;  // the next stage to add
  int left;                         // stages to add
  int consumer;

  // Products of 128 columns of the next stage.
  template <int kHalf>
  __device__ void multiply(float (&part)[64]) {
    pin_accumulators(part);
    multiply_stage<Config, 128>(part,
                                shared.a(started.index) + consumer * kConsumerRows * kTileDepth,
                                shared.b(started.index) + kHalf * 128 * kTileDepth, false);
  }

  __device__ void start(Part<Config>& part) {
    barrier_wait(shared.full(started.index), started.parity);
    multiply<0>(part.sums);
    part.scales = loader.load();
    started.advance();
  }

  // The oldest stage of 128 columns, while kPending later ones are in the tensor cores.
  template <int kPending>
  __device__ void add(Part<Config>& part) {
    reader.load(part.scales, shared, consumer);
    wgmma_wait<kPending>();
    pin_accumulators(part.sums);
    release(shared, finished.index);
    promote<Config, 0>(sums, part.sums, part.scales);
    reader.advance(shared, --left == 0);
    finished.advance();
  }

  // A stage of 256 columns. `part` comes with its scales, and leaves with those of the next.
  __device__ void add_halves(Part<Config>& part) {
    StageScales<Config> scales = part.scales;
    barrier_wait(shared.full(started.index), started.parity);
    multiply<0>(part.sums);
    part.scales = loader.load();
    reader.load(scales, shared, consumer);
    wgmma_wait<0>();
    pin_accumulators(part.sums);
    promote<Config, 0>(sums, part.sums, scales);
    multiply<1>(part.sums);
    wgmma_wait<0>();
    pin_accumulators(part.sums);
    release(shared, started.index);
    promote<Config, 1>(sums, part.sums, scales);
    reader.advance(shared, --left == 0);
    started.advance();
  }
};

// 128 columns: a stage's products are in the tensor cores while those of the stage before are
// added; the compiler must see each wait on the way to its sums. 256 columns leave registers for
// one half's products: while they are added, those of the other consumer are in the tensor cores.
template <class Config>
__device__ void sum_promoted(float (&sums)[Config::kColumns / 2], const GemmParams& params,
                             Place place, Shared<Config> shared, Stage<Config::kStages>& stage,
                             ScaleReader<Config>& reader, int consumer) {
#pragma unroll
  for (float& sum : sums) sum = 0.0F;
  const int depth = (params.size.k + kTileDepth - 1) / kTileDepth;
  const BlockScaleLoader<Config> loader(params, place, depth);
  PromotedSums<Config> tile{sums, shared, stage, reader, loader, stage, depth, consumer};
  Part<Config> even;
  if constexpr (Config::kColumns == 256) {
    even.scales = tile.loader.load();
    for (int i = 0; i < depth; ++i) tile.add_halves(even);
  } else {
    Part<Config> odd;
    tile.start(even);
    for (int i = 2; i < depth; i += 2) {
      tile.start(odd);
      tile.template add<1>(even);
      tile.start(even);
      tile.template add<1>(odd);
    }
    if (depth % 2 == 0) {
      tile.start(odd);
      tile.template add<1>(even);
      tile.template add<0>(odd);
    } else {
      tile.template add<0>(even);
    }
  }
}

template <class Config>
__device__ void consume(const CUtensorMap* map_out, const GemmParams& params, Shared<Config> shared,
                        float2* columns, int rank) {
  const int consumer = static_cast<int>(threadIdx.x / kWarpgroup) - 1;
  const int depth = (params.size.k + kTileDepth - 1) / kTileDepth;
  const unsigned staging =
      shared.staging() + (consumer * 4 + warp_of_warpgroup()) * Config::kWarpStaging;
  Stage<Config::kStages> stage;
  ScaleReader<Config> reader;
  for (TileWalk<Config> walk(params.tiles); !walk.done(); walk.next()) {
    Place place = walk.place(rank);
    place.row += consumer * kConsumerRows;
    const auto scales = load_tile_scales<Config::kColumns>(params.finish, params.size, place);
    typename Config::Sum sums[Config::kColumns / 2];
    if constexpr (Config::kMainloop == Mainloop::kDirect) {
      sum_direct<Config>(sums, shared, stage, depth, consumer);
    } else {
      sum_promoted<Config>(sums, params, place, shared, stage, reader, consumer);
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
      barrier_init(shared.full(i), 1);
      barrier_init(shared.empty(i), 4 * kConsumers * Config::kCluster);
    }
    for (int i = 0; i < kScaleSlots; ++i) {
      barrier_init(shared.scales_full(i), 32);
      barrier_init(shared.scales_empty(i), 4 * kConsumers);
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
    } else if constexpr (Config::kRing) {
      const int slot = static_cast<int>(threadIdx.x / 32) - 1;
      if (slot < kScaleSlots) produce_scales<Config>(params, shared, rank, slot);
    }
  } else {
    registers_increase<Config::kConsumerRegisters>();
    auto* columns = reinterpret_cast<float2*>(memory + (shared.columns() - shared.base));
    consume<Config>(&map_out, params, shared, columns, rank);
  }
  // No block leaves while another still writes to its memory or its barriers.
  __syncwarp();
  if constexpr (Config::kCluster > 1) cluster_sync();
}

}  // namespace
}  // namespace lowp::kernels::sm90
