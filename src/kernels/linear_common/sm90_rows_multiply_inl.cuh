// The warpgroups of linear_few_rows that decode and multiply, and the kernel.
#pragma once

#include "kernels/linear_common/sm90_rows_prepare_inl.cuh"
#include "kernels/runtime/sm90_wgmma_inl.cuh"

namespace lowp::kernels::rows {
namespace {

// --- the warpgroups that decode and multiply ---

template <class X>
struct OperandsOf;
template <>
struct OperandsOf<Bf16Pair> {
  using Type = sm90::Bf16Bf16;
};
template <>
struct OperandsOf<Fp16Pair> {
  using Type = sm90::Fp16Fp16;
};

// Operand A of four wgmma: those of two eights.
struct Fragment {
  unsigned a[4][4];
};

template <class C>
struct Consumer {
  using Weight = typename C::Weight;
  using Group = typename Weight::Group;
  using Sums = float[C::kTokens / 2];
  static constexpr int kBatchesAPiece = Weight::kEights / 2;
  // A lane's pieces of a step are neighbours.
  static constexpr bool kOneGroupAStep = C::kUnits > 1 && Weight::kGroupColumns == C::kColumns / 4;

  const Task& task;
  const Work& work;
  const Shared<C> shared;
  const int row_group;
  const int depth_group;
  const int warp = static_cast<int>(threadIdx.x) % kGroupThreads / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int quad = lane % 4;
  const int row = row_group * 64 + warp * 16 + lane / 4;  // and row + 8

  unsigned piece_at[C::kUnits];  // in a stage's codes, of the first row
  unsigned parameter_low[2][2];  // of the address of a row's first value: [row][parameter]

  // The swizzle of both rows is the same.
  __device__ void set_pieces() {
#pragma unroll
    for (int unit = 0; unit < C::kUnits; ++unit) {
      const int chunk = quad * C::kUnits + unit;
      const int swizzle = C::kUnits == 2 ? row % 8 : row / 2 % 4;
      piece_at[unit] = row * C::kLine + (chunk ^ swizzle) * 16;
    }
  }
  __device__ void enter_tile(int tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int p = 0; p < Weight::kParameters; ++p) {
        const int at = min(tile * C::kRows + row + 8 * half, task.n - 1);
        parameter_low[half][p] = static_cast<unsigned>(
            reinterpret_cast<std::uintptr_t>(parameter_at(task.parameters, p, at, 0)));
      }
    }
  }

  // Beside the last column the codes are zero; a scale beside the last might be NaN.
  __device__ void load_groups(Group (&groups)[2], unsigned parameters, int step, int unit) const {
    if constexpr (Weight::kParameters == 0) {
      groups[0] = groups[1] = Group{};
    } else {
      const int column = step * C::kColumns + (quad * C::kUnits + unit) * C::kPieceColumns;
      const int first = task.group_of(step * C::kColumns);
      const int group =
          min(task.group_of(column), task.parameters.columns - Weight::kGroupsAPiece) - first;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        unsigned rows[2] = {};
#pragma unroll
        for (int p = 0; p < Weight::kParameters; ++p) {
          const ParameterCopy& copy = task.copies[p];
          const unsigned skipped = (parameter_low[half][p] + first * task.parameters.bytes[p]) % 4;
          rows[p] = parameters + copy.at + (row + 8 * half) * copy.pitch + skipped;
        }
        groups[half] = Weight::group(task.parameters, rows, group);
      }
    }
  }

  template <int kFirst>
  __device__ static void decode(Fragment& fragment, const uint4 (&pieces)[2],
                                const Group (&groups)[2]) {
    decode_eight<kFirst>(fragment.a[0], fragment.a[1], pieces, groups);
    decode_eight<kFirst + 1>(fragment.a[2], fragment.a[3], pieces, groups);
  }
  template <int kEight>
  __device__ static void decode_eight(unsigned (&first)[4], unsigned (&second)[4],
                                      const uint4 (&pieces)[2], const Group (&groups)[2]) {
    unsigned upper[4];
    unsigned lower[4];
    Weight::template decode<kEight>(pieces[0], groups[0], upper);
    Weight::template decode<kEight>(pieces[1], groups[1], lower);
    first[0] = upper[0], first[1] = lower[0], first[2] = upper[1], first[3] = lower[1];
    second[0] = upper[2], second[1] = lower[2], second[2] = upper[3], second[3] = lower[3];
  }

  // `eight`: the first of two; `x`: the lower word of its first block's descriptor.
  __device__ static void multiply(Sums& sums, const Fragment& fragment, unsigned x, int eight) {
    constexpr std::uint64_t kUpper = sm90::descriptor_128b(0) >> 32 << 32;
    sm90::wgmma_fence();
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at = eight + i / 2;
      const int offset =
          ProductPlace<C>::block(at, i % 2) * C::kBlockBytes / 16 + ProductPlace<C>::slot(at) * 2;
      sm90::wgmma(typename OperandsOf<typename Weight::X>::Type{}, sums, fragment.a[i],
                  kUpper | (x + offset), true);
    }
    sm90::wgmma_commit();
  }

  __device__ void release(int stage) const {
    if (lane == 0) sm90::barrier_arrive(shared.empty(stage));
  }

  // This warpgroup's steps of a tile, whose first stage is at `place`.
  __device__ void sum_tile(Sums& sums, Place place) const {
#pragma unroll
    for (float& sum : sums) sum = 0.0F;
    Fragment fragments[2];
    int previous = -1;
    place.advance(depth_group, task.stages);
    for (int step = work.begin + depth_group; step < work.end; step += C::kDepthGroups) {
      sm90::barrier_wait(shared.full(place.index), place.parity);
      const unsigned codes = shared.codes(place.index);
      const unsigned parameters = shared.parameters(place.index);
      // Of lane 0, so that the compiler keeps it in a register of the warp.
      const unsigned x =
          __shfl_sync(~0U, static_cast<unsigned>(sm90::descriptor_128b(shared.x(place.index))), 0);
      Group groups[2];
#pragma unroll
      for (int unit = 0; unit < C::kUnits; ++unit) {
        uint4 pieces[2];
        pieces[0] = load_shared_16(codes + piece_at[unit]);
        pieces[1] = load_shared_16(codes + piece_at[unit] + 8 * C::kLine);
        if (unit == 0 || !kOneGroupAStep) load_groups(groups, parameters, step, unit);
        const int batch = unit * kBatchesAPiece;
        // The fragment of two batches ago is free when the batch before is alone under way.
        sm90::wgmma_wait<1>();
        if (batch == 1 && previous >= 0) release(previous);
        decode<0>(fragments[batch % 2], pieces, groups);
        multiply(sums, fragments[batch % 2], x, unit * Weight::kEights);
        if constexpr (kBatchesAPiece == 2) {
          sm90::wgmma_wait<1>();
          if (batch == 0 && previous >= 0) release(previous);
          decode<2>(fragments[1], pieces, groups);
          multiply(sums, fragments[1], x, unit * Weight::kEights + 2);
        }
      }
      previous = place.index;
      place.advance(C::kDepthGroups, task.stages);
    }
    sm90::wgmma_wait<0>();
    sm90::pin_accumulators(sums);
    if (previous >= 0) release(previous);
  }

  // visit(sum, its address in a part of the sums)
  template <class Visit>
  __device__ void for_each_sum(Sums& sums, const Visit& visit) const {
    const unsigned first = shared.sums() + (2 * quad * C::kSumPitch + row) * 4;
#pragma unroll
    for (int i = 0; i < C::kTokens / 2; ++i) {
      visit(sums[i], first + ((i / 4 * 8 + i % 2) * C::kSumPitch + i / 2 % 2 * 8) * 4);
    }
  }

  // The tile's sums over this block's part of K, in shared memory.
  __device__ void gather(Sums& sums) const {
    if (depth_group > 0) {
      const unsigned part = (depth_group - 1) * C::kSumBytes;
      for_each_sum(
          sums, [&](float& sum, unsigned at) { store_shared_4(at + part, __float_as_uint(sum)); });
    }
    if constexpr (C::kDepthGroups > 1) sm90::named_barrier_sync(1, C::kConsumers * kWarpgroup);
    if (depth_group == 0) {
      for_each_sum(sums, [&](float& sum, unsigned at) {
#pragma unroll
        for (int part = 0; part + 1 < C::kDepthGroups; ++part) {
          sum += __uint_as_float(load_shared_4(at + part * C::kSumBytes));
        }
        store_shared_4(at, __float_as_uint(sum));
      });
    }
  }
};

// --- the end ---

__device__ inline float4 load_from_cluster(unsigned address, int rank) {
  float4 v;
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(sm90::map_to_block(address, rank))
               : "memory");
  return v;
}

// Sums over the cluster's blocks in the order of K, scale, bias, one rounding; of `rank`'s share.
template <class C>
__device__ void write_tile(const Task& task, unsigned sums, int tile, int rank) {
  using X = typename C::Weight::X;
  constexpr int kFours = C::kRows / 4;
  constexpr int kWriters = C::kConsumers * kGroupThreads;
  const int first_token = static_cast<int>(blockIdx.y) * task.tokens;
  const int tokens = min(task.tokens, task.m - first_token);
  for (int i = rank * kWriters + static_cast<int>(threadIdx.x); i < tokens * kFours;
       i += task.splits * kWriters) {
    const int token = i / kFours;
    const int row = i % kFours * 4;
    const int n = tile * C::kRows + row;
    if (n >= task.n) continue;
    const unsigned at = sums + (token * C::kSumPitch + row) * 4;
    float values[4] = {};
    for (int block = 0; block < task.splits; ++block) {
      const float4 part = load_from_cluster(at, block);
      values[0] += part.x, values[1] += part.y, values[2] += part.z, values[3] += part.w;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int column = min(n + j, task.n - 1);
      values[j] *= C::Weight::row_factor(task.parameters, column);
      if (task.bias != nullptr) values[j] += X::to_float(task.bias[column]);
    }
    const uint2 pairs = {X::from_floats(values[0], values[1]),
                         X::from_floats(values[2], values[3])};
    std::uint16_t* out = task.out + static_cast<long long>(first_token + token) * task.n + n;
    if (task.vector_out) {
      *reinterpret_cast<uint2*>(out) = pairs;
    } else {
      const unsigned words[2] = {pairs.x, pairs.y};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (n + j < task.n) out[j] = static_cast<std::uint16_t>(words[j / 2] >> (j % 2 * 16));
      }
    }
  }
}

template <class C>
__device__ void consume(const Task& task, const Work& work, Shared<C> shared) {
  const int consumer = static_cast<int>(threadIdx.x) / kGroupThreads;
  Consumer<C> self{.task = task,
                   .work = work,
                   .shared = shared,
                   .row_group = consumer % C::kRowGroups,
                   .depth_group = consumer / C::kRowGroups};
  self.set_pieces();
  Place place;
  for (int tile = work.first_tile; tile < task.tiles; tile += work.tile_stride) {
    self.enter_tile(tile);
    typename Consumer<C>::Sums sums;
    self.sum_tile(sums, place);
    // The stages are free, or the sums of the tile before have been written.
    if (C::kSumsInStages || tile != work.first_tile) {
      sm90::named_barrier_sync(1, C::kConsumers * kWarpgroup);
    }
    self.gather(sums);
    if (task.splits == 1) {
      sm90::named_barrier_sync(1, C::kConsumers * kWarpgroup);
      write_tile<C>(task, shared.sums(), tile, 0);
    }
    for (int left = work.end - work.begin; left > 0; left -= task.stages) {
      place.advance(min(left, task.stages), task.stages);
    }
  }
}

// A grid of many tiles a block, or clusters of task.splits blocks that make one tile each; in y the
// rows of x.
template <class C>
__global__ void __launch_bounds__(C::kThreads, 1)
    linear_few_rows(const __grid_constant__ Task task, const __grid_constant__ CUtensorMap x_map,
                    const __grid_constant__ CUtensorMap code_map) {
  extern __shared__ __align__(1024) std::uint8_t memory[];
  const Shared<C> shared{sm90::shared_address(memory), task.stages, task.parameter_bytes};
  const Work work(task);
  const int warpgroup = static_cast<int>(threadIdx.x) / kGroupThreads;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < task.stages; ++stage) {
      // The copy of codes, a warp that reorders, each lane that copies scales.
      sm90::barrier_init(shared.full(stage), 2 + (C::Weight::kParameters > 0 ? 32 : 0));
      sm90::barrier_init(shared.raw(stage), 1);
      sm90::barrier_init(shared.empty(stage), C::kRowGroups * 4);
    }
    sm90::barrier_init_fence();
  }
  __syncthreads();
  sm90::allow_next_kernel();

  if (warpgroup < C::kConsumers) {
    sm90::registers_increase<C::kConsumerRegisters>();
    sm90::wait_for_previous_kernel();
    consume<C>(task, work, shared);
    if (task.splits > 1) {
      sm90::cluster_sync();
      write_tile<C>(task, shared.sums(), work.first_tile, static_cast<int>(sm90::cluster_rank()));
      sm90::cluster_leave();  // no block leaves while another reads its sums
    }
  } else {
    sm90::registers_decrease<C::kProducerRegisters>();
    const int warp = static_cast<int>(threadIdx.x) / 32 - C::kConsumers * 4;
    if (warp == 0) {
      if (sm90::elect_one()) issue_copies<C>(task, work, shared, &x_map, &code_map);
      __syncwarp();
    } else if (warp == 1) {
      sm90::wait_for_previous_kernel();
      if constexpr (C::Weight::kParameters > 0) copy_parameters<C>(task, work, shared, lane);
    } else {
      reorder_x<C>(task, work, shared, warp - 2, lane);
    }
    if (task.splits > 1) {
      sm90::cluster_sync();
      sm90::cluster_leave();
    }
  }
}

}  // namespace
}  // namespace lowp::kernels::rows
