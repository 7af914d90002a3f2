// The warps that fill the stages of linear_few_rows: one issues copies, one copies scales, others
// put x in order.
#pragma once

#include "kernels/linear_common/sm90_rows_inl.cuh"

namespace lowp::kernels::rows {
namespace {

// --- the warp that issues copies ---

template <class C>
__device__ void issue_copies(const Task& task, const Work& work, Shared<C> shared,
                             const CUtensorMap* x_map, const CUtensorMap* code_map) {
  sm90::wait_for_previous_kernel();
  const int token = static_cast<int>(blockIdx.y) * task.tokens;
  Place place;
  for (int tile = work.first_tile; tile < task.tiles; tile += work.tile_stride) {
    for (int step = work.begin; step < work.end; ++step) {
      sm90::barrier_wait(shared.empty(place.index), place.parity ^ 1);
      const unsigned full = shared.full(place.index);
      sm90::barrier_arrive_expect(full, C::kCodeBytes);
      sm90::tma_load(shared.codes(place.index), code_map, full, step * C::kLine, tile * C::kRows,
                     sm90::CacheHint::kEvictFirst);
      const unsigned raw = shared.raw(place.index);
      sm90::barrier_arrive_expect(raw, C::kBlocks * 128 * task.tokens);
#pragma unroll
      for (int block = 0; block < C::kBlocks; ++block) {
        sm90::tma_load(shared.x(place.index) + block * C::kBlockBytes, x_map, raw,
                       step * C::kColumns + block * 64, token);
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
  __device__ void run(unsigned x, int tokens) const {
    constexpr int kTogether = 4;
    if (tokens <= kTokensAtOnce) return run_tokens<1>(x, 0);
#pragma unroll 1
    for (int first = 0; first < tokens; first += kTogether * kTokensAtOnce) {
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
    reorder.run(shared.x(place.index), task.tokens);
    sm90::fence_async_shared();
    __syncwarp();
    if (lane == 0) sm90::barrier_arrive(shared.full(place.index));
    place.advance(task.reorder_warps, task.stages);
  }
}

}  // namespace
}  // namespace lowp::kernels::rows
