// Scales of 128 of k on their way to the sums.
//   kBlocks        each consumer thread loads those of its two rows and of each 128 columns itself,
//                  a stage ahead: 7 of 8 come from the L1
//   kBlockColumns  a ring of slots in shared memory, of the scales of 4 stages each, which a warp a
//                  slot fills. A lane copies one scale of a row, the 4 lanes beside each other 16
//                  bytes of it: a copy touches 8 rows, where one scale a row would touch 32.
#pragma once

#include "kernels/linear_common/sm90_gemm_config_inl.cuh"

namespace lowp::kernels::sm90 {
namespace {

// 4 bytes of device memory to shared memory; they arrive at a barrier with copy_arrive.
__device__ inline void copy_async(unsigned destination, const float* source) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(destination), "l"(source)
               : "memory");
}
__device__ inline void copy_arrive(unsigned barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

// The scales of a slot. Rows, columns and steps outside, whose sums are zero, get those of the last
// one inside.
template <class Config>
__device__ void copy_scales(const GemmParams& params, Place place, int first_step, int depth,
                            unsigned slot) {
  const BlockScales& blocks = params.blocks;
  const int in_slot = lane() % kScaleSteps;
  const std::int64_t step = min(first_step + in_slot, depth - 1);
  const float* row_scale =
      blocks.row_scale + place.batch * blocks.row_batch_stride + step * blocks.row_block_stride;
  const float* column_scale = blocks.column_scale + place.batch * blocks.column_batch_stride +
                              step * blocks.column_block_stride;
  const unsigned to = slot + in_slot * Config::kStepBytes;
  // Hardly unrolled: the producers have few registers.
#pragma unroll 2
  for (int i = lane() / kScaleSteps; i < kTileRows; i += 32 / kScaleSteps) {
    const std::int64_t row = min(place.row + i, params.size.m - 1) >> blocks.row_shift;
    copy_async(to + i * 4, row_scale + row * blocks.row_stride);
  }
#pragma unroll 2
  for (int i = lane() / kScaleSteps; i < Config::kColumns; i += 32 / kScaleSteps) {
    const std::int64_t column = min(place.column + i, params.size.n - 1);
    copy_async(to + (kTileRows + i) * 4, column_scale + column * blocks.column_stride);
  }
}

// The warp of slot `slot`.
template <class Config>
__device__ void produce_scales(const GemmParams& params, Shared<Config> shared, int rank,
                               int slot) {
  const int depth = (params.size.k + kTileDepth - 1) / kTileDepth;
  unsigned parity = 1;
  int next = 0;  // the slot of the next 4 stages
  for (TileWalk<Config> walk(params.tiles); !walk.done(); walk.next()) {
    const Place place = walk.place(rank);
    for (int step = 0; step < depth; step += kScaleSteps) {
      if (next == slot) {
        barrier_wait(shared.scales_empty(slot), parity);
        copy_scales<Config>(params, place, step, depth, shared.scales(slot));
        copy_arrive(shared.scales_full(slot));
        parity ^= 1;
      }
      next = next + 1 == kScaleSlots ? 0 : next + 1;
    }
  }
}

__device__ inline float load_shared(unsigned address) {
  float value;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(address) : "memory");
  return value;
}

// What a thread multiplies the sums of a stage by: scales of its two rows and of each 128 columns,
// or the address of each column's.
template <class Config>
struct StageScales {
  float row[2];
  float block[Config::kColumns / 128];
  unsigned columns;
};

// Not moved by the compiler, which would ask for them where they are needed.
__device__ inline float load_early(const float* from) {
  float value;
  asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(value) : "l"(from));
  return value;
}

// A consumer thread's scales of kBlocks in device memory.
template <class Config>
struct BlockScaleLoader {
  static constexpr int kBlocks = Config::kColumns / 128;
  const BlockScales& blocks;
  const float* rows[2];
  const float* columns[kBlocks];
  int left;  // stages behind the next

  __device__ BlockScaleLoader(const GemmParams& params, Place place, int depth)
      : blocks(params.blocks), left(depth - 1) {
    if constexpr (Config::kMainloop == Mainloop::kBlocks) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int row = min(place.row + row_of_thread() + 8 * i, params.size.m - 1);
        rows[i] = blocks.row_scale + place.batch * blocks.row_batch_stride +
                  std::int64_t{row} * blocks.row_stride;
      }
#pragma unroll
      for (int i = 0; i < kBlocks; ++i) {
        const int column = min(place.column / 128 + i, (params.size.n - 1) / 128);
        columns[i] = blocks.column_scale + place.batch * blocks.column_batch_stride +
                     std::int64_t{column} * blocks.column_stride;
      }
    }
  }

  // Those of the next stage; behind the last those of the last.
  __device__ StageScales<Config> load() {
    StageScales<Config> scales{};
    if constexpr (Config::kMainloop == Mainloop::kBlocks) {
      const int row_step = left > 0 ? blocks.row_block_stride : 0;
      const int column_step = left > 0 ? blocks.column_block_stride : 0;
      --left;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        scales.row[i] = load_early(rows[i]);
        rows[i] += row_step;
      }
#pragma unroll
      for (int i = 0; i < kBlocks; ++i) {
        scales.block[i] = load_early(columns[i]);
        columns[i] += column_step;
      }
    }
    return scales;
  }
};

// A consumer's place in the ring of kBlockColumns.
template <class Config>
struct ScaleReader {
  Stage<kScaleSlots> slot;
  int step = 0;

  // Waits for those of the next stage.
  __device__ void load(StageScales<Config>& scales, Shared<Config> shared, int consumer) {
    if constexpr (Config::kRing) {
      if (step == 0) barrier_wait(shared.scales_full(slot.index), slot.parity);
      const unsigned here = shared.scales(slot.index) + step * Config::kStepBytes;
      const unsigned rows = here + (consumer * kConsumerRows + row_of_thread()) * 4;
      scales.columns = here + kTileRows * 4;
      scales.row[0] = load_shared(rows);
      scales.row[1] = load_shared(rows + 8 * 4);
    }
  }

  // The scales of a stage have been read.
  __device__ void advance(Shared<Config> shared, bool last_of_tile) {
    if constexpr (Config::kRing) {
      if (++step < kScaleSteps && !last_of_tile) return;
      step = 0;
      __syncwarp();
      if (lane() == 0) barrier_arrive(shared.scales_empty(slot.index));
      slot.advance();
    }
  }
};

}  // namespace
}  // namespace lowp::kernels::sm90
