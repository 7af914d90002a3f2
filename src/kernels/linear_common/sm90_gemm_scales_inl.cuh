// Scales of 128 of k on their way to the sums: a ring of slots in shared memory, of the scales of 4
// stages each, which a warp a slot fills. A lane copies one scale of a row, the 4 lanes beside each
// other 16 bytes of it: a copy touches 8 rows. The products' operands take three quarters of shared
// memory's bandwidth, and a load that touches 8 rows takes 8 turns of it: where each of 8 warps
// loaded the scales of its rows for itself, a stage at a time, the main loop took a tenth longer.
#pragma once

#include "kernels/linear_common/sm90_gemm_config_inl.cuh"

namespace lowp::kernels::sm90 {
namespace {

// 4 bytes of device memory to shared memory, zero without `any`; they arrive at a barrier with
// copy_arrive.
__device__ inline void copy_async(unsigned destination, const float* source, bool any) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(destination), "l"(source),
               "r"(any ? 4 : 0)
               : "memory");
}
__device__ inline void copy_arrive(unsigned barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

// The scales of a slot. Rows and columns outside, whose sums are not stored, get those of the last
// one inside; steps outside zero.
template <class Config>
__device__ void copy_scales(const GemmParams& params, Place place, int first_step, int depth,
                            unsigned slot) {
  constexpr bool kOfBlocks = Config::kMainloop == Mainloop::kBlocks;
  const BlockScales& blocks = params.blocks;
  const int in_slot = lane() % kScaleSteps;
  const bool any = first_step + in_slot < depth;
  const std::int64_t step = any ? first_step + in_slot : 0;
  const float* row_scale =
      blocks.row_scale + place.batch * blocks.row_batch_stride + step * blocks.row_block_stride;
  const float* column_scale = blocks.column_scale + place.batch * blocks.column_batch_stride +
                              step * blocks.column_block_stride;
  const unsigned to = slot + in_slot * Config::kStepBytes;
  // Hardly unrolled: the producers have few registers.
#pragma unroll 2
  for (int i = lane() / kScaleSteps; i < kTileRows; i += 32 / kScaleSteps) {
    const std::int64_t row = min(place.row + i, params.size.m - 1) >> blocks.row_shift;
    copy_async(to + i * 4, row_scale + row * blocks.row_stride, any);
  }
  if constexpr (kOfBlocks) {
    const int i = lane() / kScaleSteps;
    if (i >= Config::kParts) return;
    const std::int64_t block = min(place.column / 128 + i, (params.size.n - 1) / 128);
    copy_async(to + (kTileRows + i) * 4, column_scale + block * blocks.column_stride, any);
  } else {
#pragma unroll 2
    for (int i = lane() / kScaleSteps; i < Config::kColumns; i += 32 / kScaleSteps) {
      const std::int64_t column = min(place.column + i, params.size.n - 1);
      copy_async(to + (kTileRows + i) * 4, column_scale + column * blocks.column_stride, any);
    }
  }
}

// The warp of slot `slot`.
template <class Config>
__device__ void produce_scales(const GemmParams& params, Shared<Config> shared, int slot) {
  const int depth = steps_of(params.size.k);
  unsigned parity = 1;
  int next = 0;  // the slot of the next 4 stages
  for (TileWalk<Config> walk(params.tiles); !walk.done(); walk.next()) {
    const Place place = walk.place();
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

// What a thread multiplies the products of a stage by: scales of its two rows and of each part, or
// the address of each column's.
template <class Config>
struct StageScales {
  float row[2];
  float part[Config::kParts];
  unsigned columns;
};

// A consumer's place in the ring.
template <class Config>
struct ScaleReader {
  Stage<kScaleSlots> slot{kScaleSlots - 1, 1};  // before the first
  int step = kScaleSteps;
  bool any = false;

  // Those of the next stage; what was loaded before is no longer needed.
  __device__ void load(StageScales<Config>& scales, Shared<Config> shared, int consumer) {
    if constexpr (Config::kRing) {
      if (step == kScaleSteps) enter_slot(shared);
      const unsigned here = shared.scales(slot.index) + step * Config::kStepBytes;
      const unsigned rows = here + (consumer * kConsumerRows + row_of_thread()) * 4;
      scales.row[0] = load_shared(rows);
      scales.row[1] = load_shared(rows + 8 * 4);
      scales.columns = here + kTileRows * 4;
      if constexpr (Config::kMainloop == Mainloop::kBlocks) {
#pragma unroll
        for (int i = 0; i < Config::kParts; ++i) {
          scales.part[i] = load_shared(scales.columns + i * 4);
        }
      }
      ++step;
    }
  }

  // A tile begins with a slot of its own.
  __device__ void end_tile() { step = kScaleSteps; }

 private:
  __device__ void enter_slot(Shared<Config> shared) {
    __syncwarp();
    if (any && lane() == 0) barrier_arrive(shared.scales_empty(slot.index));
    any = true;
    slot.advance();
    step = 0;
    barrier_wait(shared.scales_full(slot.index), slot.parity);
  }
};

}  // namespace
}  // namespace lowp::kernels::sm90
