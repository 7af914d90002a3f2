// Matrix products of 8-bit operands on Hopper, A (M, K) B (N, K)^T: persistent blocks of a producer
// warp, which keeps a ring of stages full through the copy engine, and two consumer warpgroups of
// 64 rows each.
#pragma once

#include "kernels/linear_common/sm90_gemm_scales_inl.cuh"
#include "kernels/runtime/sm90_tma_inl.cuh"
#include "kernels/runtime/sm90_wgmma_inl.cuh"

namespace lowp::kernels::sm90 {
namespace {

template <class Config>
__device__ void produce(const CUtensorMap* map_a, const CUtensorMap* map_b,
                        const GemmParams& params, Shared<Config> shared) {
  const int depth = steps_of(params.size.k);
  Stage<Config::kStages> stage;
  for (TileWalk<Config> walk(params.tiles); !walk.done(); walk.next()) {
    const Place place = walk.place();
    for (int i = 0; i < depth; ++i) {
      barrier_wait(shared.empty(stage.index), stage.parity ^ 1);
      const unsigned full = shared.full(stage.index);
      barrier_arrive_expect(full, Config::kBytesA + Config::kBytesB);
      tma_load(shared.a(stage.index), map_a, full, i * kTileDepth, place.row,
               params.a_batched ? place.batch : 0);
      tma_load(shared.b(stage.index), map_b, full, i * kTileDepth, place.column,
               params.b_batched ? place.batch : 0);
      stage.advance();
    }
  }
}

// A consumer warp is done with a stage.
template <class Config>
__device__ void release(Shared<Config> shared, unsigned stage) {
  if (lane() == 0) barrier_arrive(shared.empty(stage));
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

// Adds a part of a stage's products to the sums of the tile.
template <class Config, int kPart>
__device__ void promote(float (&sums)[Config::kColumns / 2], const float (&part)[kPartColumns / 2],
                        const StageScales<Config>& scales) {
  constexpr Mainloop kLoop = Config::kMainloop;
  constexpr int kFirst = kPart * kPartColumns;
#pragma unroll
  for (int j = 0; j < kPartColumns / 8; ++j) {
    const int first = kFirst + 8 * j;  // of 8 columns
    float column[2] = {1.0F, 1.0F};
    if constexpr (kLoop == Mainloop::kBlockColumns) {
      asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];"
                   : "=f"(column[0]), "=f"(column[1])
                   : "r"(scales.columns + (first + 2 * (lane() % 4)) * 4));
    } else if constexpr (kLoop == Mainloop::kBlocks) {
      column[0] = column[1] = scales.part[kPart];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& sum = sums[first / 2 + i];
      if constexpr (kLoop == Mainloop::kPromoted) {
        sum += part[4 * j + i];
      } else {
        sum += part[4 * j + i] * (scales.row[i / 2] * column[i % 2]);
      }
    }
  }
}

// The products of a block's tiles, one after the other, a part at a time.
template <class Config>
struct Products {
  using Part = float[kPartColumns / 2];

  Shared<Config> shared;
  ScaleReader<Config>& reader;
  int consumer;
  Stage<Config::kStages> started{};   // of the next part to start
  Stage<Config::kStages> finished{};  // of the next part to add
  bool ready = false;                 // the next stage to start has come
  StageScales<Config> scales{};       // of the next part to add

  // Part kPart of a stage; parts come in order.
  template <int kPart>
  __device__ void start(Part& part) {
    if constexpr (kPart == 0) {
      if (!ready) barrier_wait(shared.full(started.index), started.parity);
      ready = false;
    }
    pin_accumulators(part);
    multiply_stage<Config, kPartColumns>(
        part, shared.a(started.index) + consumer * kConsumerRows * kTileDepth,
        shared.b(started.index) + kPart * kPartColumns * kTileDepth, false);
    if constexpr (kPart + 1 == Config::kParts) started.advance();
  }

  __device__ void load_scales() { reader.load(scales, shared, consumer); }

  // Adds a part to the tile's sums, while kPending later ones are in the tensor cores.
  template <int kPart, int kPending>
  __device__ void add(float (&sums)[Config::kColumns / 2], Part& part) {
    wgmma_wait<kPending>();
    pin_accumulators(part);
    if constexpr (kPart + 1 == Config::kParts) {
      release(shared, finished.index);
      finished.advance();
      // Not where sums have no scales: ptxas would serialize the products.
      if constexpr (Config::kRing) {
        ready = barrier_test(shared.full(started.index), started.parity);
      }
    }
    promote<Config, kPart>(sums, part, scales);
  }
};

// 256 columns: the registers hold one part beside the sums. While it is added, those of the other
// consumer are in the tensor cores, so between its end and the next one's start there is little
// else than additions.
template <class Config>
__device__ void sum_wide(float (&sums)[Config::kColumns / 2], Products<Config>& products,
                         int depth) {
  typename Products<Config>::Part part;
  for (int i = 0; i < depth; ++i) {
    products.template start<0>(part);
    products.load_scales();
    products.template add<0, 0>(sums, part);
    products.template start<1>(part);
    products.template add<1, 0>(sums, part);
  }
}

// 128 columns: a part is in the tensor cores while the one before is added.
template <class Config>
__device__ void sum_narrow(float (&sums)[Config::kColumns / 2], Products<Config>& products,
                           int depth) {
  typename Products<Config>::Part even;
  typename Products<Config>::Part odd;
  products.template start<0>(even);
  products.load_scales();
  for (int i = 2; i < depth; i += 2) {
    products.template start<0>(odd);
    products.template add<0, 1>(sums, even);
    products.load_scales();
    products.template start<0>(even);
    products.template add<0, 1>(sums, odd);
    products.load_scales();
  }
  if (depth % 2 == 0) {
    products.template start<0>(odd);
    products.template add<0, 1>(sums, even);
    products.load_scales();
    products.template add<0, 0>(sums, odd);
  } else {
    products.template add<0, 0>(sums, even);
  }
}

template <class Config>
__device__ void consume_promoted(const CUtensorMap* map_out, const GemmParams& params,
                                 Shared<Config> shared, float2* columns, unsigned staging,
                                 int consumer) {
  ScaleReader<Config> reader;
  Products<Config> products{shared, reader, consumer};
  for (TileWalk<Config> walk(params.tiles); !walk.done(); walk.next()) {
    Place place = walk.place();
    place.row += consumer * kConsumerRows;
    const auto scales = load_tile_scales<Config::kColumns>(params.finish, params.size, place);
    float sums[Config::kColumns / 2];
#pragma unroll
    for (float& sum : sums) sum = 0.0F;
    if constexpr (Config::kParts == 1) {
      sum_narrow<Config>(sums, products, steps_of(params.size.k));
    } else {
      sum_wide<Config>(sums, products, steps_of(params.size.k));
    }
    reader.end_tile();
    finish_tile<float, Config::kColumns, !Config::kRing>(
        map_out, params.finish, params.size, place, sums, scales, columns, staging, 1 + consumer);
  }
}

template <class Config>
__device__ void consume_direct(const CUtensorMap* map_out, const GemmParams& params,
                               Shared<Config> shared, float2* columns, unsigned staging,
                               int consumer) {
  const int depth = steps_of(params.size.k);
  Stage<Config::kStages> stage;
  for (TileWalk<Config> walk(params.tiles); !walk.done(); walk.next()) {
    Place place = walk.place();
    place.row += consumer * kConsumerRows;
    const auto scales = load_tile_scales<Config::kColumns>(params.finish, params.size, place);
    typename Config::Sum sums[Config::kColumns / 2];
    sum_direct<Config>(sums, shared, stage, depth, consumer);
    finish_tile<typename Config::Sum, Config::kColumns, true>(
        map_out, params.finish, params.size, place, sums, scales, columns, staging, 1 + consumer);
  }
}

template <class Config>
__device__ void consume(const CUtensorMap* map_out, const GemmParams& params, Shared<Config> shared,
                        float2* columns) {
  // Of lane 0, so that the compiler knows it to be uniform, and the operands' places with it.
  const int consumer = __shfl_sync(~0U, static_cast<int>(threadIdx.x / kWarpgroup), 0) - 1;
  const unsigned staging =
      shared.staging() + (consumer * 4 + warp_of_warpgroup()) * Config::kWarpStaging;
  columns += consumer * Config::kColumns;
  if constexpr (Config::kMainloop == Mainloop::kDirect) {
    consume_direct<Config>(map_out, params, shared, columns, staging, consumer);
  } else {
    consume_promoted<Config>(map_out, params, shared, columns, staging, consumer);
  }
  if (lane() == 0) tma_store_wait_read<0>();
}

template <class Config>
__global__ void __launch_bounds__(kThreads, 1)
    gemm(const __grid_constant__ CUtensorMap map_a, const __grid_constant__ CUtensorMap map_b,
         const __grid_constant__ CUtensorMap map_out, const __grid_constant__ GemmParams params) {
  extern __shared__ __align__(1024) std::uint8_t memory[];
  const Shared<Config> shared{shared_address(memory)};
  if (threadIdx.x == 0) {
    for (int i = 0; i < Config::kStages; ++i) {
      barrier_init(shared.full(i), 1);
      barrier_init(shared.empty(i), 4 * kConsumers);
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
  __syncthreads();
  wait_for_previous_kernel();

  if (threadIdx.x < kWarpgroup) {
    registers_decrease<Config::kProducerRegisters>();
    if (threadIdx.x < 32) {
      if (elect_one()) produce<Config>(&map_a, &map_b, params, shared);
    } else if constexpr (Config::kRing) {
      const int slot = static_cast<int>(threadIdx.x / 32) - 1;
      if (slot < kScaleSlots) produce_scales<Config>(params, shared, slot);
    }
  } else {
    registers_increase<Config::kConsumerRegisters>();
    auto* columns = reinterpret_cast<float2*>(memory + (shared.columns() - shared.base));
    consume<Config>(&map_out, params, shared, columns);
  }
}

}  // namespace
}  // namespace lowp::kernels::sm90
