// The warpgroups of linear_tiles that decode and multiply.
#pragma once

#include "kernels/linear_common/sm90_tiles_finish_inl.cuh"
#include "kernels/linear_common/sm90_tiles_inl.cuh"
#include "kernels/runtime/sm90_wgmma_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

// Operand A of a wgmma, 64 rows and 16 columns.
using Fragment = unsigned[4];

// A lane's codes of two rows in a stage, or in half of it where they are of 8 bits, and the words
// of their scales in a block of columns.
template <class K>
struct Operand {
  static constexpr bool kIsFourBit = K::kChunks == 2;
  unsigned codes[2][2];
  unsigned scales[2][std::max(1U, K::kWords)];

  __device__ void load_codes(unsigned address, unsigned s) {
    if constexpr (kIsFourBit) {
      if (s > 0) return;
      const uint4 v = load_shared_16(address);
      codes[0][0] = v.x, codes[0][1] = v.y, codes[1][0] = v.z, codes[1][1] = v.w;
    } else if (s % 2 == 0) {
#pragma unroll
      for (unsigned h = 0; h < 2; ++h) {
        const uint2 v = load_shared_8(address + h * 512 + s * 4);
        codes[h][0] = v.x, codes[h][1] = v.y;
      }
    }
  }
  __device__ void load_scales(unsigned address) {
    if constexpr (K::kWords == 1) {
      const uint2 v = load_shared_8(address);
      scales[0][0] = v.x, scales[1][0] = v.y;
    } else if constexpr (K::kWords == 2) {
      const uint4 v = load_shared_16(address);
      scales[0][0] = v.x, scales[0][1] = v.y, scales[1][0] = v.z, scales[1][1] = v.w;
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
        fragment[2 * i + h] =
            apply_scale<typename K::Pair, K::kScaling>(pairs[i], scales[h], zero_is_float);
      }
    }
  }
};

// What decodes and multiplies.
template <class K>
struct Multiplier {
  using Operands = typename K::Pair::Operands;
  using Sums = float[K::kTokens / 2];

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
  // 16 columns, the s-th of the stage of codes.
  __device__ void decode(Fragment& fragment, unsigned s) {
    operand.load_codes(shared.codes(code_stage.index) + codes_at, s);
    if (K::kBlocks > 0 && s % (4 / std::max(1U, K::kBlocks)) == 0) {
      const unsigned block = s * K::kBlocks / 4;
      operand.load_scales(shared.scales(code_stage.index) + scales_at + block * K::kWords * 8);
    }
    operand.decode(fragment, s, zero_is_float);
  }
  // Only when products of all that was read have been issued: a read that is under way is not
  // ordered before the arrival, and the warps that write scales wait for nothing else.
  __device__ void release_codes(unsigned index) const {
    if (lane == 0) sm90::barrier_arrive(shared.codes_empty(index));
  }

  // Until x has come: the lower word of its descriptor; of lane 0, so that the compiler keeps it in
  // a register of the warp.
  __device__ unsigned wait_for_x() const {
    sm90::barrier_wait(shared.x_full(x_stage.index), x_stage.parity);
    const std::uint64_t descriptor = sm90::descriptor_128b(shared.x(x_stage.index));
    return __shfl_sync(~0U, static_cast<unsigned>(descriptor), 0);
  }
  // Both blocks' copies write to a stage, so each warp tells both that it is free.
  __device__ void release_x(unsigned index) const {
    if (lane < kCluster) {
      sm90::barrier_arrive_remote(sm90::map_to_block(shared.x_empty(index), lane));
    }
  }
  __device__ static void multiply(Sums& sums, const Fragment& fragment, unsigned s, unsigned x) {
    constexpr std::uint64_t kUpper = sm90::descriptor_128b(0) >> 32 << 32;
    sm90::wgmma(Operands{}, sums, fragment, kUpper | (x + 2 * s), true);
  }
};

// A step of a warpgroup of which others take turns: their products keep the tensor cores busy while
// it decodes.
template <class K>
__device__ void sum_in_turns(Multiplier<K>& self, typename Multiplier<K>::Sums& sums,
                             unsigned steps) {
  Fragment fragments[2];
#pragma unroll 1
  for (unsigned step = 0; step < steps; ++step) {
    self.wait_for_codes();
    const unsigned x = self.wait_for_x();
#pragma unroll
    for (unsigned s = 0; s < 4; ++s) {
      sm90::wgmma_wait<1>();
      self.decode(fragments[s % 2], s);
      sm90::wgmma_fence();
      self.multiply(sums, fragments[s % 2], s, x);
      sm90::wgmma_commit();
    }
    self.release_codes(self.code_stage.index);
    sm90::wgmma_wait<0>();
    self.release_x(self.x_stage.index);
    self.take_turns(K::kDepth);
  }
}

// The steps of a warpgroup whose own products keep the tensor cores busy: those of a step are
// issued in two parts, and the next step is decoded meanwhile.
template <class K>
struct StepsAhead {
  using Sums = typename Multiplier<K>::Sums;
  using Fragments = Fragment[4];

  Multiplier<K>& self;
  unsigned x = 0;        // of the step that is multiplied
  unsigned x_index = 0;  // its stage
  unsigned codes_index = 0;
  int before = -1;  // the stage before

  __device__ void begin_products(Sums& sums, const Fragments& of) {
    x = self.wait_for_x();
    x_index = self.x_stage.index;
    codes_index = self.code_stage.index;
    self.take_turns(1);
    sm90::wgmma_fence();
    self.multiply(sums, of[0], 0, x);
    self.multiply(sums, of[1], 1, x);
    sm90::wgmma_commit();
  }
  // From the first half of the products of `now` to the first half of those of `next`.
  __device__ void run_step(Sums& sums, const Fragments& now, Fragments& next) {
    self.wait_for_codes();
    sm90::wgmma_wait<1>();
    if (before >= 0) self.release_x(static_cast<unsigned>(before));
    before = static_cast<int>(x_index);
    self.decode(next[0], 0);
    sm90::wgmma_fence();
    self.multiply(sums, now[2], 2, x);
    self.decode(next[1], 1);
    sm90::wgmma_fence();
    self.multiply(sums, now[3], 3, x);
    sm90::wgmma_commit();
    self.release_codes(codes_index);
    self.decode(next[2], 2);
    self.decode(next[3], 3);
    begin_products(sums, next);
  }
  __device__ void end_products(Sums& sums, const Fragments& now) {
    sm90::wgmma_fence();
    self.multiply(sums, now[2], 2, x);
    self.multiply(sums, now[3], 3, x);
    sm90::wgmma_commit();
    self.release_codes(codes_index);
    sm90::wgmma_wait<0>();
    sm90::pin_accumulators(sums);
    if (before >= 0) self.release_x(static_cast<unsigned>(before));
    self.release_x(x_index);
  }

  __device__ void run(Sums& sums, unsigned steps) {
    Fragments fragments[2];
    self.wait_for_codes();
#pragma unroll
    for (unsigned s = 0; s < 4; ++s) self.decode(fragments[0][s], s);
    begin_products(sums, fragments[0]);
    for (; steps > 2; steps -= 2) {
      run_step(sums, fragments[0], fragments[1]);
      run_step(sums, fragments[1], fragments[0]);
    }
    if (steps == 2) {
      run_step(sums, fragments[0], fragments[1]);
      end_products(sums, fragments[1]);
    } else {
      end_products(sums, fragments[0]);
    }
  }
};

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

template <class K>
__device__ void multiply_tiles(const Problem& problem, Shared<K> shared, unsigned consumer,
                               unsigned thread) {
  const unsigned lane = thread % 32;
  const unsigned row_group = consumer % K::kRowGroups;
  const unsigned depth = consumer / K::kRowGroups;
  const unsigned row = row_group * 64 + thread / 32 * 16 + lane / 4;
  Multiplier<K> multiplier{.shared = shared,
                           .codes_at = code_word_at<K>(row, 0, lane % 4),
                           .scales_at = scale_words_at<K>(row),
                           .lane = lane,
                           .zero_is_float = problem.weight.zero != nullptr};
  multiplier.take_turns(depth);
  unsigned before = 0;  // steps of the tiles before
  for_each_tile(problem, [&](const Tile& tile) {
    typename Multiplier<K>::Sums sums;
#pragma unroll
    for (float& sum : sums) sum = 0.0F;
    const unsigned steps = tile.steps;
    if constexpr (K::kDepth == 1) {
      StepsAhead<K>{multiplier}.run(sums, steps);
    } else {
      const unsigned first = (depth - before) % K::kDepth;
      sum_in_turns(multiplier, sums, steps > first ? (steps - first - 1) / K::kDepth + 1 : 0);
      sm90::pin_accumulators(sums);
      before += steps;
      gather_sums<K>(sums, shared.sums() + row_group * (K::kDepth - 1) * K::kPartBytes, depth,
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
      write_out<K>(problem, sums, part * K::kPartTokens, token, rows, shared.out(consumer),
                   consumer, thread);
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
