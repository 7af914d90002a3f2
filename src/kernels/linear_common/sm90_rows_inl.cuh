// out^T = W x^T on Hopper for few rows of x: bound by reading W, so W's rows are the tensor core's
// M side, decoded into the registers of wgmma's operand A; x, in shared memory, is B.
//
// The order of K in a product is free. A lane decodes its own 16 bytes of a row of W (a piece), and
// x is put into the order in which the pieces decode. Everything comes by the copy engine, many
// stages ahead:
//   stage   64 or 128 bytes of each of the block's rows of W, the x of these columns, their scales
//   unit    64 bytes of a row: what the quad of lanes that shares it takes at a time
// Of the last warpgroup one warp issues the copies, one copies scales, two reorder x in place. Of
// the others kRowGroups share a stage, 64 rows each, and kDepthGroups take turns at the stages. A
// cluster of blocks may divide K. All sums are added in the order of K: results do not vary.
#pragma once

#include <algorithm>

#include "kernels/linear_common/cuda_weights_inl.h"
#include "kernels/runtime/sm90_tma_inl.cuh"
#include "kernels/runtime/sm90_wgmma_inl.cuh"

namespace lowp::kernels::rows {
namespace {

using sm90::kWarpgroup;

constexpr int kGroupThreads = static_cast<int>(kWarpgroup);

// kTokens: rows of x, padded; kUnits: 64 bytes each of a row of W, in a stage.
template <class WeightFormat, int kTokensOf, int kRowGroupsOf, int kDepthGroupsOf, int kUnitsOf>
struct Config {
  using Weight = WeightFormat;
  static constexpr int kTokens = kTokensOf;
  static constexpr int kRowGroups = kRowGroupsOf;
  static constexpr int kDepthGroups = kDepthGroupsOf;
  static constexpr int kUnits = kUnitsOf;

  static constexpr int kConsumers = kRowGroups * kDepthGroups;
  static constexpr int kProducers = kTokens <= 16 ? 1 : 2;  // warpgroups
  static constexpr int kThreads = (kConsumers + kProducers) * kGroupThreads;
  static constexpr int kReorderWarps = kProducers * 4 - 2;
  // Of those that a thread has at the launch: what some give up is all that others can get.
  static constexpr int kLaunchRegisters = 65536 / kThreads / 8 * 8;
  static constexpr unsigned kProducerRegisters = kConsumers == 4 ? 64 : kProducers == 1 ? 104 : 72;
  static constexpr unsigned kConsumerRegisters =
      std::min(224, (kLaunchRegisters * (kConsumers + kProducers) -
                     static_cast<int>(kProducerRegisters) * kProducers) /
                        kConsumers / 8 * 8);
  static constexpr int kRows = 64 * kRowGroups;
  static constexpr int kLine = 64 * kUnits;  // bytes of a row in a stage
  static constexpr int kPieceColumns = 128 / Weight::kBits;
  static constexpr int kColumns = kUnits * 4 * kPieceColumns;  // of a stage
  static constexpr int kEights = kUnits * Weight::kEights;     // of a lane and stage
  static constexpr int kBlocks = kColumns / 64;
  static constexpr int kBlockBytes = kTokens * 128;  // 64 columns of x in 128-byte swizzle
  static constexpr int kCodeBytes = kRows * kLine;
  static constexpr int kXBytes = kBlocks * kBlockBytes;
  // Sums: [part][token][kSumPitch] fp32; the pitch keeps a warp's stores apart.
  static constexpr int kSumPitch = kRows + 4;
  static constexpr int kSumBytes = kTokens * kSumPitch * 4;
  static constexpr int kSumParts = kDepthGroups > 1 ? kDepthGroups - 1 : 1;
  // Many sums lie where the stages were: a block then makes one tile.
  static constexpr bool kSumsInStages = kTokens > 64;
  static constexpr int kSumsApart = kSumsInStages ? 0 : kSumParts * kSumBytes;
  static_assert(kEights == 8 || kEights == 4);
};

// What of the scales or zeros (parameters) of a stage is copied, and how they lie there.
struct ParameterCopy {
  int vector;  // bytes of a copy that a row of a stage is whole ones of, 16 or 4; else 0
  int words;   // at most, of a row
  int pitch;   // bytes from row to row in a stage
  int at;      // of the first row in a stage's parameters
};

struct Task {
  Parameters parameters;
  ParameterCopy copies[2];
  int parameter_bytes;  // of a stage
  int groups;           // of columns that a stage may touch
  int m;
  int n;
  int k;
  int steps;  // of kColumns
  int tiles;  // of kRows
  int splits;
  int stages;  // a multiple of those that take turns: each sees all rounds of its stages, in order
  int reorder_warps;
  const std::uint16_t* bias;
  std::uint16_t* out;
  bool vector_out;

  __device__ int group_of(int column) const {
    return static_cast<int>(__umulhi(column, parameters.group_reciprocal));
  }
};

template <class C>
struct Shared {
  unsigned base;
  int stages;
  int parameter_bytes;

  __device__ unsigned codes(int stage) const { return base + stage * C::kCodeBytes; }
  __device__ unsigned x(int stage) const { return codes(stages) + stage * C::kXBytes; }
  __device__ unsigned sums() const { return C::kSumsInStages ? base : x(stages); }
  __device__ unsigned parameters(int stage) const {
    return x(stages) + C::kSumsApart + stage * parameter_bytes;
  }
  __device__ unsigned full(int stage) const { return parameters(stages) + stage * 8; }
  __device__ unsigned raw(int stage) const { return full(stages + stage); }  // x not yet in order
  __device__ unsigned empty(int stage) const { return full(2 * stages + stage); }
};

// A place in the ring of stages, and the parity of its round.
struct Place {
  int index = 0;
  unsigned parity = 0;

  __device__ void advance(int by, int stages) {  // by at most `stages`
    index += by;
    if (index >= stages) {
      index -= stages;
      parity ^= 1;
    }
  }
};

// The steps of this block, the same of each of its tiles.
struct Work {
  int begin;
  int end;
  int first_tile;
  int tile_stride;

  __device__ explicit Work(const Task& task) {
    const auto block = static_cast<int>(blockIdx.x);
    const int rank = block % task.splits;
    begin = task.steps * rank / task.splits;
    end = task.steps * (rank + 1) / task.splits;
    first_tile = block / task.splits;
    tile_stride = static_cast<int>(gridDim.x) / task.splits;
  }
};

// --- the warp that issues copies ---

template <class C>
__device__ void issue_copies(const Task& task, const Work& work, Shared<C> shared,
                             const CUtensorMap* x_map, const CUtensorMap* code_map) {
  sm90::wait_for_previous_kernel();
  Place place;
  for (int tile = work.first_tile; tile < task.tiles; tile += work.tile_stride) {
    for (int step = work.begin; step < work.end; ++step) {
      sm90::barrier_wait(shared.empty(place.index), place.parity ^ 1);
      const unsigned full = shared.full(place.index);
      sm90::barrier_arrive_expect(full, C::kCodeBytes);
      sm90::tma_load(shared.codes(place.index), code_map, full, step * C::kLine, tile * C::kRows,
                     sm90::CacheHint::kEvictFirst);
      const unsigned raw = shared.raw(place.index);
      sm90::barrier_arrive_expect(raw, C::kBlocks * 128 * task.m);
#pragma unroll
      for (int block = 0; block < C::kBlocks; ++block) {
        sm90::tma_load(shared.x(place.index) + block * C::kBlockBytes, x_map, raw,
                       step * C::kColumns + block * 64, 0);
      }
      place.advance(1, task.stages);
    }
  }
}

// --- the warp that copies scales ---

__device__ inline void arrive_after_copies(unsigned barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

// The place of a value in device memory.
__device__ inline const std::uint8_t* parameter_at(const Parameters& parameters, int parameter,
                                                   int row, int group) {
  const long long index =
      static_cast<long long>(row >> parameters.row_shift) * parameters.columns + group;
  return static_cast<const std::uint8_t*>(parameters.values[parameter]) +
         index * parameters.bytes[parameter];
}

// What a lane copies of a stage's scales: those of every 32nd row. One warp copies for all: what it
// does a stage must not take longer than the stage.
template <class C>
struct ParameterRows {
  static constexpr int kRowsALane = C::kRows / 32;
  const std::uint8_t* from[kRowsALane];  // of the first group

  __device__ void enter_tile(const Parameters& parameters, int parameter, int first_row,
                             int last_row, int lane) {
#pragma unroll
    for (int i = 0; i < kRowsALane; ++i) {
      from[i] = parameter_at(parameters, parameter, min(first_row + lane + i * 32, last_row), 0);
      asm volatile("" : "+l"(from[i]));  // not to be computed anew each stage
    }
  }

  __device__ void copy(const ParameterCopy& copy, unsigned to, int offset, int bytes) const {
    const int row_step = 32 * copy.pitch;
    if (copy.vector == 4) {
#pragma unroll 1
      for (int at = 0; at < bytes; at += 4) {
#pragma unroll
        for (int i = 0; i < kRowsALane; ++i) {
          copy_4_async(to + at + i * row_step, from[i] + (offset + at), 4);
        }
      }
    } else if (copy.vector == 16) {
#pragma unroll 1
      for (int at = 0; at < bytes; at += 16) {
#pragma unroll
        for (int i = 0; i < kRowsALane; ++i) {
          copy_16_async(to + at + i * row_step, from[i] + (offset + at), 16);
        }
      }
    } else {
      copy_words(to, row_step, copy.words, offset, bytes);
    }
  }

  // The words that hold the values: up to three bytes beside them, which no allocation ends in.
  __device__ void copy_words(unsigned to, int row_step, int words, int offset, int bytes) const {
#pragma unroll 1
    for (int word = 0; word < words; ++word) {
#pragma unroll
      for (int i = 0; i < kRowsALane; ++i) {
        const std::uint8_t* values = from[i] + offset;
        const auto skipped = static_cast<int>(reinterpret_cast<std::uintptr_t>(values) % 4);
        if (word == 0 || word * 4 < skipped + bytes) {
          copy_4_async(to + word * 4 + i * row_step, values - skipped + word * 4, 4);
        }
      }
    }
  }
};

template <class C>
__device__ void copy_parameters(const Task& task, const Work& work, Shared<C> shared, int lane) {
  constexpr int kParameters = C::Weight::kParameters;
  const Parameters& parameters = task.parameters;
  Place place;
  for (int tile = work.first_tile; tile < task.tiles; tile += work.tile_stride) {
    ParameterRows<C> rows[kParameters];
#pragma unroll
    for (int p = 0; p < kParameters; ++p) {
      rows[p].enter_tile(parameters, p, tile * C::kRows, task.n - 1, lane);
    }
#pragma unroll 1
    for (int step = work.begin; step < work.end; ++step) {
      const int group = task.group_of(step * C::kColumns);
      const int groups = min(task.groups, parameters.columns - group);
      const int stage = __shfl_sync(~0U, place.index, 0);  // for a register of the warp
      sm90::barrier_wait(shared.empty(stage), place.parity ^ 1);
      const unsigned to = shared.parameters(stage);
#pragma unroll
      for (int p = 0; p < kParameters; ++p) {
        const ParameterCopy& copy = task.copies[p];
        rows[p].copy(copy, to + copy.at + lane * copy.pitch, group * parameters.bytes[p],
                     groups * parameters.bytes[p]);
      }
      arrive_after_copies(shared.full(stage));
      place.advance(1, task.stages);
    }
  }
}

// --- the warps that put x in order ---

__device__ inline void store_shared_4(unsigned address, unsigned value) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(value) : "memory");
}

// Where the products of eight `eight` (of a lane and stage) find x: 32 bytes of a block. In a
// product slots 2c, 2c + 1 and 8 + 2c, 9 + 2c of K belong to lane c of the quad.
template <class C>
struct ProductPlace {
  __host__ __device__ static constexpr int block(int eight, int half) {
    return C::kEights == 8 ? eight % 2 * 2 + half : half;
  }
  __host__ __device__ static constexpr int slot(int eight) {
    return C::kEights == 8 ? eight / 2 : eight;
  }
};

// A lane has 8 columns of a token, which it reads in one access and writes in four; its warp has
// all of the stage's columns of that token, so order changes in place. Neither has bank conflicts.
template <class C>
struct Reorder {
  static constexpr int kVectors = C::kColumns / 8;  // of a token
  static constexpr int kTokensAtOnce = 32 / kVectors;

  // In a stage's x, of the first tokens; those of tokens t further on at t * 128 + (it ^ t * 16).
  unsigned from;
  unsigned to[4];
  bool odd;  // an odd eight of 8: the halves of 16 bytes are written in the other order

  __device__ explicit Reorder(int lane) {
    using Weight = typename C::Weight;
    const int token = lane / kVectors;
    const int vector = lane % kVectors;
    const int piece = vector / Weight::kEights;
    const int quad = piece / C::kUnits;
    const int eight = piece % C::kUnits * Weight::kEights + vector % Weight::kEights;
    odd = C::kEights == 8 && eight % 2 == 1;
    from = token * 128 + vector / 8 * C::kBlockBytes + (vector % 8 * 16 ^ token * 16);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int half = i / 2;
      const int high = i % 2 ^ static_cast<int>(odd);
      to[i] = token * 128 + ProductPlace<C>::block(eight, half) * C::kBlockBytes +
              (ProductPlace<C>::slot(eight) * 32 + high * 16 + quad * 4 ^ token * 16);
    }
  }

  // kCount accesses of kTokensAtOnce tokens each, from token `first` on.
  template <int kCount>
  __device__ void run_tokens(unsigned x, int first) const {
    const unsigned row = x + first * 128;
    const unsigned flip = first % 8 * 16;
    const auto place = [&](unsigned at, int t) { return (row + at ^ flip ^ t * 16) + t * 128; };
    uint4 vectors[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) vectors[i] = load_shared_16(place(from, i * kTokensAtOnce));
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int t = i * kTokensAtOnce;
      const uint4 v = C::Weight::order(vectors[i]);
      store_shared_4(place(to[0], t), odd ? v.y : v.x);
      store_shared_4(place(to[1], t), odd ? v.x : v.y);
      store_shared_4(place(to[2], t), odd ? v.w : v.z);
      store_shared_4(place(to[3], t), odd ? v.z : v.w);
    }
  }

  // What lies behind the last token is not used.
  __device__ void run(unsigned x, int m) const {
    constexpr int kTogether = 4;
    if (m <= kTokensAtOnce) return run_tokens<1>(x, 0);
#pragma unroll 1
    for (int first = 0; first < m; first += kTogether * kTokensAtOnce) {
      run_tokens<kTogether>(x, first);
    }
  }
};

template <class C>
__device__ void reorder_x(const Task& task, const Work& work, Shared<C> shared, int warp,
                          int lane) {
  const Reorder<C> reorder(lane);
  const int tiles = (task.tiles - work.first_tile + work.tile_stride - 1) / work.tile_stride;
  const int steps = tiles * (work.end - work.begin);
  if (warp >= task.reorder_warps) return;
  Place place;
  place.advance(warp, task.stages);
  for (int i = warp; i < steps; i += task.reorder_warps) {
    sm90::barrier_wait(shared.raw(place.index), place.parity);
    reorder.run(shared.x(place.index), task.m);
    sm90::fence_async_shared();
    __syncwarp();
    if (lane == 0) sm90::barrier_arrive(shared.full(place.index));
    place.advance(task.reorder_warps, task.stages);
  }
}

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
#pragma unroll
      for (int unit = 0; unit < C::kUnits; ++unit) {
        uint4 pieces[2];
        Group groups[2];
        pieces[0] = load_shared_16(codes + piece_at[unit]);
        pieces[1] = load_shared_16(codes + piece_at[unit] + 8 * C::kLine);
        load_groups(groups, parameters, step, unit);
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
  for (int i = rank * kWriters + static_cast<int>(threadIdx.x); i < task.m * kFours;
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
    std::uint16_t* out = task.out + static_cast<long long>(token) * task.n + n;
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

// A grid of many tiles a block, or clusters of task.splits blocks that make one tile each.
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
