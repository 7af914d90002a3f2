// The warpgroups of linear_tiles that decode and multiply.
#pragma once

#include "kernels/linear_common/sm90_tiles_finish_inl.cuh"
#include "kernels/linear_common/sm90_tiles_inl.cuh"
#include "kernels/runtime/sm90_wgmma_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

// Operand A of a wgmma, 64 rows and 16 columns.
using Fragment = unsigned[4];

// A lane's codes of two rows, in a stage or, where they are of 8 bits, in half of it, and the words
// of their scales in that half.
template <class K>
struct Operand {
  static constexpr bool kIsFourBit = K::kChunks == 2;
  static constexpr unsigned kBlocks = K::kBlocks == 4 ? 2 : 1;  // of columns, of half a stage
  unsigned codes[2][2];
  unsigned scales[kBlocks][2][std::max(1U, K::kWords)];

  __device__ void load_codes(unsigned address, unsigned half) {
    if constexpr (kIsFourBit) {
      if (half > 0) return;
      const uint4 v = load_shared_16(address);
      codes[0][0] = v.x, codes[0][1] = v.y, codes[1][0] = v.z, codes[1][1] = v.w;
    } else {
#pragma unroll
      for (unsigned h = 0; h < 2; ++h) {
        const uint2 v = load_shared_8(address + h * 512 + half * 8);
        codes[h][0] = v.x, codes[h][1] = v.y;
      }
    }
  }
  __device__ void load_scales(unsigned address, unsigned half) {
#pragma unroll
    for (unsigned block = 0; block < kBlocks; ++block) {
      auto& words = scales[block];
      const unsigned at = address + (half * kBlocks + block) * K::kWords * 8;
      if constexpr (K::kWords == 1) {
        const uint2 v = load_shared_8(at);
        words[0][0] = v.x, words[1][0] = v.y;
      } else if constexpr (K::kWords == 2) {
        const uint4 v = load_shared_16(at);
        words[0][0] = v.x, words[0][1] = v.y, words[1][0] = v.z, words[1][1] = v.w;
      }
    }
  }

  // 16 columns, the s-th of the stage.
  __device__ void decode(Fragment& fragment, unsigned s, bool zero_is_float) const {
#pragma unroll
    for (unsigned h = 0; h < 2; ++h) {
      unsigned pairs[2];
      K::Codes::template decode<typename K::Pair>(codes[h][kIsFourBit ? s / 2 : s % 2],
                                                  kIsFourBit ? s % 2 : 0, pairs);
#pragma unroll
      for (unsigned i = 0; i < 2; ++i) {
        fragment[2 * i + h] = apply_scale<typename K::Pair, K::kScaling>(
            pairs[i], scales[s % kBlocks][h], zero_is_float);
      }
    }
  }
};

// What decodes and multiplies.
template <class K>
struct Multiplier {
  using Operands = typename K::Pair::Operands;
  using Sums = float[K::kTokens / 2];
  using Fragments = Fragment[2];  // of half a step

  const Shared<K> shared;
  const unsigned codes_at;  // this lane's, in a stage's codes
  const unsigned scales_at;
  const unsigned lane;
  const bool zero_is_float;
  sm90::Stage<K::kStages> x_stage{};
  sm90::Stage<K::kCodeStages> code_stage{};
  Operand<K> operand;

  __device__ void take_turns(unsigned turns) {
    take_turn(x_stage, turns);
    take_turn(code_stage, turns);
  }

  __device__ void wait_for_codes() const {
    sm90::barrier_wait(shared.codes_full(code_stage.index), code_stage.parity);
  }
  // Of half a stage.
  __device__ void load(unsigned half) {
    operand.load_codes(shared.codes(code_stage.index) + codes_at, half);
    operand.load_scales(shared.scales(code_stage.index) + scales_at, half);
  }
  __device__ void decode(Fragments& fragments, unsigned half) const {
#pragma unroll
    for (unsigned i = 0; i < 2; ++i) operand.decode(fragments[i], 2 * half + i, zero_is_float);
  }
  // Only when products of all that was read have been issued: a read that is under way is not
  // ordered before the arrival, and the warps that write scales wait for nothing else.
  __device__ void release_codes(unsigned index) const {
    if (lane == 0) sm90::barrier_arrive(shared.codes_empty(index));
  }

  // The lower word of the descriptor of a step's x; of lane 0, so that the compiler keeps it in a
  // register of the warp.
  __device__ unsigned x_descriptor() const {
    const std::uint64_t descriptor = sm90::descriptor_128b(shared.x(x_stage.index));
    return __shfl_sync(~0U, static_cast<unsigned>(descriptor), 0);
  }
  __device__ void wait_for_x() const {
    sm90::barrier_wait(shared.x_full(x_stage.index), x_stage.parity);
  }
  // Both blocks' copies write to a stage, so each warp tells both that it is free.
  __device__ void release_x(unsigned index) const {
    if (lane < kCluster) {
      sm90::barrier_arrive_remote(sm90::map_to_block(shared.x_empty(index), lane));
    }
  }
  // `x`: its descriptor's lower word.
  __device__ static void multiply(Sums& sums, const Fragments& fragments, unsigned half,
                                  unsigned x) {
    constexpr std::uint64_t kUpper = sm90::descriptor_128b(0) >> 32 << 32;
    sm90::wgmma_fence();
#pragma unroll
    for (unsigned i = 0; i < 2; ++i) {
      sm90::wgmma(Operands{}, sums, fragments[i], kUpper | (x + 4 * half + 2 * i), true);
    }
    sm90::wgmma_commit();
  }
};

// The steps of a warpgroup. The products of half a step are under way while the next half is
// decoded, from one step to the next too. Leaves the stage of x of the last step, which it returns,
// to the caller; -1: there were no steps.
template <class K>
__device__ int sum_steps(Multiplier<K>& self, typename Multiplier<K>::Sums& sums, unsigned steps) {
  if (steps == 0) return -1;
  typename Multiplier<K>::Fragments fragments[2];
  int before = -1;  // the stage of x whose last products may be under way
  self.wait_for_codes();
  self.load(0);
  self.decode(fragments[0], 0);
  unsigned x = self.x_descriptor();
#pragma unroll 1
  while (true) {
    self.wait_for_x();
    self.multiply(sums, fragments[0], 0, x);
    self.load(1);
    sm90::wgmma_wait<1>();
    if (before >= 0) self.release_x(static_cast<unsigned>(before));
    before = static_cast<int>(self.x_stage.index);
    self.decode(fragments[1], 1);
    self.multiply(sums, fragments[1], 1, x);
    self.release_codes(self.code_stage.index);
    self.take_turns(K::kDepth);
    if (--steps == 0) break;
    x = self.x_descriptor();
    self.wait_for_codes();
    self.load(0);
    sm90::wgmma_wait<1>();
    self.decode(fragments[0], 0);
  }
  sm90::wgmma_wait<0>();
  sm90::pin_accumulators(sums);
  return before;
}

// Warpgroups that took turns add their sums, in their order: each gets those of a part of the
// tokens, of which the others' are in shared memory meanwhile.
template <class K>
__device__ void gather_sums(float (&sums)[K::kTokens / 2], unsigned buffer, unsigned depth,
                            unsigned barrier, unsigned thread) {
  constexpr unsigned kCount = K::kPartTokens / 2;  // of a part
  const auto meet = [&] { sm90::named_barrier_sync(barrier, K::kDepth * kWarpgroup); };
#pragma unroll
  for (unsigned part = 0; part < K::kDepth; ++part) {
    meet();  // the part before has been read
    const auto place = [&](unsigned from, unsigned i) {
      const unsigned slot = from - (from > part ? 1 : 0);
      return buffer + slot * K::kPartBytes + (i * kWarpgroup + thread) * 4;
    };
    if (depth != part) {
#pragma unroll
      for (unsigned i = 0; i < kCount; ++i) {
        store_shared_4(place(depth, i), __float_as_uint(sums[part * kCount + i]));
      }
    }
    meet();
    if (depth == part) {
#pragma unroll
      for (unsigned i = 0; i < kCount; ++i) {
        float& own = sums[part * kCount + i];
        float sum = 0.0F;
#pragma unroll
        for (unsigned from = 0; from < K::kDepth; ++from) {
          sum += from == part ? own : __uint_as_float(load_shared_4(place(from, i)));
        }
        own = sum;
      }
    }
  }
  meet();  // out may lie where the sums were
}

// A value that the compiler keeps in a register, and does not compute anew in each step.
__device__ inline unsigned keep(unsigned value) {
  asm volatile("" : "+r"(value));
  return value;
}

template <class K>
__device__ void multiply_tiles(const Problem& problem, Shared<K> shared, unsigned consumer,
                               unsigned thread) {
  const unsigned lane = thread % 32;
  const unsigned row_group = consumer % K::kRowGroups;
  const unsigned depth = consumer / K::kRowGroups;
  const unsigned row = row_group * 64 + thread / 32 * 16 + lane / 4;
  Multiplier<K> multiplier{.shared = {keep(shared.base)},
                           .codes_at = keep(code_word_at<K>(row, 0, lane % 4)),
                           .scales_at = keep(scale_words_at<K>(row)),
                           .lane = keep(lane),
                           .zero_is_float = problem.weight.zero != nullptr};
  multiplier.take_turns(depth);
  unsigned before = 0;  // steps of the tiles before
  for_each_tile(problem, [&](const Tile& tile) {
    typename Multiplier<K>::Sums sums;
#pragma unroll
    for (float& sum : sums) sum = 0.0F;
    const unsigned first = (depth - before) % K::kDepth;
    const unsigned last = before + tile.steps - 1;
    before += tile.steps;
    const unsigned end = shared.end(last);
    int held = sum_steps(multiplier, sums, (tile.steps + K::kDepth - 1 - first) / K::kDepth);
    if (held >= 0 && (K::kDepth == 1 || last % K::kDepth != depth)) {
      multiplier.release_x(static_cast<unsigned>(held));
      held = -1;
    }
    if constexpr (K::kDepth > 1) {
      gather_sums<K>(sums, end + row_group * (K::kDepth - 1) * K::kPartBytes, depth,
                     1 + K::kConsumers + row_group, thread);
    }
    const unsigned rows = first_row<K>(tile) + row_group * 64;
    const unsigned token = tile.token * problem.tile_tokens;
#pragma unroll
    for (unsigned part = 0; part < K::kDepth; ++part) {
      if (depth != part) continue;
      if (problem.parts != nullptr) {
        write_part<K>(problem, sums, part * K::kPartTokens, tile, rows, thread);
        continue;
      }
      write_out<K>(problem, sums, part * K::kPartTokens, token, rows, end + consumer * K::kOutBytes,
                   consumer, thread);
    }
    if constexpr (K::kDepth > 1) {  // the end lay in a stage of x, which copies may have now
      sm90::fence_async_shared();
      sm90::named_barrier_sync(1 + K::kConsumers + row_group, K::kDepth * kWarpgroup);
      if (held >= 0) multiplier.release_x(static_cast<unsigned>(held));
    }
  });
}

template <class K>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(K::kThreads, 1)
    linear_tiles(const __grid_constant__ Problem problem, const __grid_constant__ CUtensorMap x_map,
                 const __grid_constant__ CUtensorMap code_map) {
  extern __shared__ std::uint8_t memory[];
  const Shared<K> shared{(sm90::shared_address(memory) + 1023) & ~1023U};
  const unsigned warpgroup = threadIdx.x / kWarpgroup;
  const unsigned warp = threadIdx.x / 32 - K::kConsumers * 4;
  if (threadIdx.x == 0) {
    for (unsigned stage = 0; stage < K::kStages; ++stage) {
      sm90::barrier_init(shared.x_full(stage), 1);
      sm90::barrier_init(shared.x_empty(stage), kCluster * K::kRowGroups * 4);
    }
    for (unsigned stage = 0; stage < K::kCodeStages; ++stage) {
      sm90::barrier_init(shared.codes_raw(stage), 1);
      sm90::barrier_init(shared.codes_full(stage), K::kRowWords > 0 ? 2 : 1);
      sm90::barrier_init(shared.codes_empty(stage), K::kRowGroups * 4);
    }
    sm90::barrier_init_fence();
  }
  sm90::cluster_sync();
  sm90::allow_next_kernel();

  if (warpgroup >= K::kConsumers) {
    sm90::registers_decrease<K::kProducerRegisters>();
    sm90::wait_for_previous_kernel();
    if (warp < K::kCodeWarps) {
      prepare_codes<K>(problem, shared, warp, threadIdx.x % 32);
    } else if (warp < K::kCodeWarps + K::kScaleWarps) {
      if constexpr (K::kRowWords > 0) {
        const unsigned scale_warp = warp - K::kCodeWarps;
        if (problem.vector_scales) {
          prepare_scales<K, true>(problem, shared, scale_warp, threadIdx.x % 32);
        } else {
          prepare_scales<K, false>(problem, shared, scale_warp, threadIdx.x % 32);
        }
      }
    } else if (warp == K::kCodeWarps + K::kScaleWarps && sm90::elect_one()) {
      copy_tiles<K>(problem, &x_map, &code_map, shared);
    }
    __syncwarp();  // the barrier below is one of whole warps
  } else {
    sm90::registers_increase<K::kConsumerRegisters>();
    sm90::wait_for_previous_kernel();
    multiply_tiles<K>(problem, shared, warpgroup, threadIdx.x % kWarpgroup);
  }
  sm90::cluster_sync();  // the other block may still tell this one that a stage is free
}

}  // namespace
}  // namespace lowp::kernels::tiles
