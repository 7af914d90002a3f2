// The warps that fill the stages of linear_tiles: one issues copies of x and of codes, others put
// the codes in order or write the words of scales.
#pragma once

#include "kernels/linear_common/sm90_tiles_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

// --- the warp that issues copies ---

template <class K>
__device__ void copy_tiles(const Problem& problem, const CUtensorMap* x_map,
                           const CUtensorMap* code_map, Shared<K> shared) {
  const unsigned rank = sm90::cluster_rank();
  const unsigned half = problem.tile_tokens / kCluster;
  sm90::Stage<K::kStages> x_stage;
  sm90::Stage<K::kCodeStages> code_stage;
  for_each_tile(problem, [&](const Tile& tile) {
    const int token = static_cast<int>(tile.token * problem.tile_tokens + rank * half);
    const int row = static_cast<int>(first_row<K>(tile));
    for (unsigned step = 0; step < tile.steps + K::kAhead; ++step) {
      if (step < tile.steps) {
        const unsigned raw = shared.codes_raw(code_stage.index);
        sm90::barrier_wait(shared.codes_empty(code_stage.index), code_stage.parity ^ 1);
        sm90::barrier_arrive_expect(raw, K::kCodeBytes);
        sm90::tma_load(shared.codes(code_stage.index), code_map, raw,
                       static_cast<int>((tile.begin + step) * K::kCodeRowBytes), row);
        code_stage.advance();
      }
      if (step >= K::kAhead) {
        const unsigned full = shared.x_full(x_stage.index);
        sm90::barrier_wait(shared.x_empty(x_stage.index), x_stage.parity ^ 1);
        sm90::barrier_arrive_expect(full, problem.tile_tokens * 128);
        sm90::tma_load_multicast(shared.x(x_stage.index) + rank * half * 128, x_map, full,
                                 static_cast<int>((tile.begin + step - K::kAhead) * kStep), token,
                                 (1U << kCluster) - 1);
        x_stage.advance();
      }
    }
  });
}

// --- the warps that put codes in order ---

// In place. A warp reads 512 bytes at a time, and stores a word of each of its lanes' chunks at a
// time: neither has bank conflicts.
template <class K>
__device__ void order_codes(unsigned codes, unsigned lane) {
  constexpr unsigned kReads = 4;  // together
  constexpr unsigned kRowsOfRead = 32 / K::kChunks;
#pragma unroll
  for (unsigned first = 0; first < K::kRows; first += kReads * kRowsOfRead) {
    uint4 chunks[kReads];
#pragma unroll
    for (unsigned i = 0; i < kReads; ++i) {
      chunks[i] = load_shared_16(codes + first * K::kCodeRowBytes + (i * 32 + lane) * 16);
    }
    __syncwarp();
#pragma unroll
    for (unsigned i = 0; i < kReads; ++i) {
      unsigned words[4];
      K::Codes::spread(chunks[i], words);
#pragma unroll
      for (unsigned c = 0; c < 4; ++c) {
        const unsigned row = first + i * kRowsOfRead + lane / K::kChunks;
        store_shared_4(codes + code_word_at<K>(row, lane % K::kChunks, c), words[c]);
      }
    }
  }
}

// Runs prepare(step, stage) for the stages of each tile, told to enter_tile(tile) before, in turns
// with kTurns - 1 other warps. What a warp does a stage takes longer than the stage, for most of it
// is waiting.
template <class K, unsigned kTurns, class EnterTile, class Prepare>
__device__ void prepare_stages(const Problem& problem, Shared<K> shared, unsigned turn,
                               unsigned lane, const EnterTile& enter_tile, const Prepare& prepare) {
  static_assert(K::kCodeStages % kTurns == 0);  // a stage is always the same warp's
  sm90::Stage<K::kCodeStages> stage;
  take_turn(stage, turn);
  unsigned before = 0;  // steps of the tiles before
  for_each_tile(problem, [&](const Tile& tile) {
    enter_tile(tile);
    for (unsigned step = (turn - before) % kTurns; step < tile.steps; step += kTurns) {
      prepare(tile.begin + step, stage);
      __syncwarp();
      if (lane == 0) sm90::barrier_arrive(shared.codes_full(stage.index));
      take_turn(stage, kTurns);
    }
    before += tile.steps;
  });
}

template <class K>
__device__ void prepare_codes(const Problem& problem, Shared<K> shared, unsigned warp,
                              unsigned lane) {
  prepare_stages<K, K::kCodeWarps>(
      problem, shared, warp, lane, [](const Tile&) {},
      [&](unsigned, const auto& stage) {
        sm90::barrier_wait(shared.codes_raw(stage.index), stage.parity);
        order_codes<K>(shared.codes(stage.index), lane);
      });
}

// --- the warps that write scales ---

// Of T, a value of 1, 2 or 4 bytes.
template <class T>
__device__ unsigned load_shared_value(unsigned address) {
  if constexpr (sizeof(T) == 4) return load_shared_4(address);
  unsigned short value;
  if constexpr (sizeof(T) == 2) {
    asm volatile("ld.shared.u16 %0, [%1];" : "=h"(value) : "r"(address) : "memory");
  } else {
    asm volatile("ld.shared.u8 %0, [%1];" : "=h"(value) : "r"(address) : "memory");
  }
  return value;
}

// 16 bytes to shared memory past the L1 cache.
__device__ inline void copy_16_async(unsigned shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory");
}
// Until at most the last copy of this thread is under way.
__device__ inline void wait_for_copies_but_one() {
  asm volatile("cp.async.commit_group;\n cp.async.wait_group 1;" ::: "memory");
}

// The row of W, in a block, of a lane's i-th: pairs of g and g + 8.
__device__ inline unsigned row_of_lane(unsigned lane, unsigned i) {
  return i / 2 * 64 + lane / 8 * 16 + i % 2 * 8 + lane % 8;
}

// Values of T of a lane's rows of W, in their order in device memory. kVectors: rows are aligned to
// 16 bytes, of which four are in shared memory by turns, the last on its way.
template <class K, class T, bool kAreVectors>
struct RowValues {
  const std::uint8_t* from[K::kRowsOfLane];  // the first value of a row
  unsigned slots;                            // in shared memory, of this lane
  unsigned bytes;                            // of a row
  unsigned copied;                           // vectors, so far

  __device__ void enter_rows(const Problem& problem, const void* data, unsigned first,
                             unsigned group, unsigned lane) {
    bytes = problem.scale_cols * static_cast<unsigned>(sizeof(T));
    copied = group * static_cast<unsigned>(sizeof(T)) / 16;
#pragma unroll
    for (unsigned i = 0; i < K::kRowsOfLane; ++i) {
      const unsigned row = min(first + row_of_lane(lane, i), problem.n - 1);
      from[i] = static_cast<const std::uint8_t*>(data) +
                static_cast<std::size_t>(scale_row(problem, row)) * bytes;
    }
  }
  // `group`: the first that will be asked for. To the group and the vector behind its.
  __device__ void advance_to(unsigned group) {
    if constexpr (kAreVectors) {
      const unsigned end = group * static_cast<unsigned>(sizeof(T)) / 16 + 3;
#pragma unroll 1
      while (copied < end) {
        const unsigned at = min(copied * 16, bytes - 16);
#pragma unroll
        for (unsigned i = 0; i < K::kRowsOfLane; ++i) {
          copy_16_async(slots + i * kVectors * 512 + copied % kVectors * 512, from[i] + at);
        }
        wait_for_copies_but_one();
        ++copied;
      }
    }
  }
  __device__ void load(unsigned (&values)[K::kRowsOfLane], unsigned group) const {
    const unsigned byte = group * static_cast<unsigned>(sizeof(T));
    const unsigned slot = slots + byte / 16 % kVectors * 512 + byte % 16;
#pragma unroll
    for (unsigned i = 0; i < K::kRowsOfLane; ++i) {
      values[i] = kAreVectors
                      ? load_shared_value<T>(slot + i * kVectors * 512)
                      : static_cast<unsigned>(__ldg(reinterpret_cast<const T*>(from[i] + byte)));
    }
  }
};

// The words of scales of T and of zeros of Z.
template <class K, class T, class Z, bool kAreVectors>
struct LaneScales {
  static constexpr bool kHasZeros = K::kWords == 2;
  using Values = unsigned[K::kRowsOfLane];

  static constexpr unsigned kNoGroup = ~0U;

  RowValues<K, T, kAreVectors> scales{};
  RowValues<K, Z, kAreVectors> zeros{};
  unsigned words[K::kRowsOfLane / 2][K::kBlocks][2][K::kWords] = {};
  unsigned groups[K::kBlocks];  // that the words are of

  __device__ static unsigned to_word(float value) {
    constexpr bool kIsPair = K::kScaling == Scaling::kPair || K::kScaling == Scaling::kPairZero;
    return kIsPair ? K::Pair::from_floats(value, value) : __float_as_uint(value);
  }
  template <class V>
  __device__ static unsigned word_of(unsigned value) {
    if constexpr (K::kHasByteScales) {
      return decode_scale<K::kFormat, typename K::Pair, K::kScaling>(value);
    } else if constexpr (sizeof(V) == 1) {  // a zero point: subtracting it is adding its negative
      return to_word(-static_cast<float>(static_cast<std::int8_t>(value)));
    } else {
      return to_word(__uint_as_float(sizeof(V) == 2 ? value << 16 : value));
    }
  }
  __device__ static unsigned group_of(const Problem& problem, unsigned block) {
    return K::kHasByteScales ? block : __umulhi(block * 2, problem.group_reciprocal);
  }

  // The words of a group, of block `block`.
  __device__ void fill(unsigned block, unsigned group, bool has_zeros) {
    Values values;
    scales.load(values, group);
#pragma unroll
    for (unsigned i = 0; i < K::kRowsOfLane; ++i) {
      words[i / 2][block][i % 2][0] = word_of<T>(values[i]);
    }
    if constexpr (kHasZeros) {
      if (!has_zeros) return;
      zeros.load(values, group);
#pragma unroll
      for (unsigned i = 0; i < K::kRowsOfLane; ++i) {
        words[i / 2][block][i % 2][1] = word_of<Z>(values[i]);
      }
    }
  }

  // Those of a stage; a group may last for several blocks and stages. What is behind the last
  // column must be finite: x is 0 there, and so are these words.
  __device__ void fill_stage(const Problem& problem, unsigned step, bool has_zeros) {
#pragma unroll
    for (unsigned block = 0; block < K::kBlocks; ++block) {
      const bool inside = step * kStep + block * (kStep / K::kBlocks) < problem.k;
      const unsigned group = inside ? group_of(problem, step * K::kBlocks + block) : kNoGroup;
      if (!K::kHasByteScales && group == groups[block]) continue;
      groups[block] = group;
      if (!inside || (!K::kHasByteScales && block > 0 && group == groups[0])) {
#pragma unroll
        for (auto& pair : words) {
#pragma unroll
          for (unsigned i = 0; i < 2 * K::kWords; ++i) {
            pair[block][i / K::kWords][i % K::kWords] =
                inside ? pair[0][i / K::kWords][i % K::kWords] : 0;
          }
        }
      } else {
        fill(block, group, has_zeros);
      }
    }
  }

  __device__ void store(unsigned to, unsigned lane) const {
#pragma unroll
    for (unsigned pair = 0; pair < K::kRowsOfLane / 2; ++pair) {
      const auto* of_pair = &words[pair][0][0][0];
      const unsigned at = to + scale_words_at<K>(row_of_lane(lane, 2 * pair));
#pragma unroll
      for (unsigned i = 0; i < 2 * K::kRowWords; i += 4) {
        store_shared_16(at + i * 4, {of_pair[i], of_pair[i + 1], of_pair[i + 2], of_pair[i + 3]});
      }
    }
  }
};

template <class K, class T, class Z, bool kAreVectors>
__device__ void prepare_scales_of(const Problem& problem, Shared<K> shared, unsigned warp,
                                  unsigned lane) {
  const CudaWeight& weight = problem.weight;
  const void* zeros = weight.zero != nullptr ? weight.zero : weight.zero_point;
  LaneScales<K, T, Z, kAreVectors> of;
  of.scales.slots = shared.vectors(warp) + lane * 16;
  of.zeros.slots = of.scales.slots + K::kRowsOfLane * kVectors * 512;
  prepare_stages<K, K::kScaleWarps>(
      problem, shared, warp, lane,
      [&](const Tile& tile) {
        const unsigned row = first_row<K>(tile);
        const unsigned group = of.group_of(problem, tile.begin * K::kBlocks);
        of.scales.enter_rows(problem, weight.scale, row, group, lane);
        for (unsigned& group : of.groups) group = of.kNoGroup;
        if (K::kWords == 2 && zeros != nullptr)
          of.zeros.enter_rows(problem, zeros, row, group, lane);
      },
      [&](unsigned step, const auto& stage) {
        const unsigned group = of.group_of(problem, step * K::kBlocks);
        of.scales.advance_to(group);
        if (K::kWords == 2 && zeros != nullptr) of.zeros.advance_to(group);
        of.fill_stage(problem, step, zeros != nullptr);
        sm90::barrier_wait(shared.codes_empty(stage.index), stage.parity ^ 1);
        of.store(shared.scales(stage.index), lane);
      });
}

template <class K, bool kAreVectors>
__device__ void prepare_scales(const Problem& problem, Shared<K> shared, unsigned warp,
                               unsigned lane) {
  using Bf16 = std::uint16_t;
  if constexpr (K::kHasByteScales) {
    prepare_scales_of<K, std::uint8_t, std::uint8_t, kAreVectors>(problem, shared, warp, lane);
  } else if constexpr (K::kScaling == Scaling::kFloat) {
    prepare_scales_of<K, unsigned, std::uint8_t, kAreVectors>(problem, shared, warp, lane);
  } else if constexpr (K::kScaling == Scaling::kPair) {
    prepare_scales_of<K, Bf16, std::uint8_t, kAreVectors>(problem, shared, warp, lane);
  } else if (problem.weight.scale_dtype == DType::kBF16) {
    if (problem.weight.zero != nullptr) {
      prepare_scales_of<K, Bf16, Bf16, kAreVectors>(problem, shared, warp, lane);
    } else {
      prepare_scales_of<K, Bf16, std::uint8_t, kAreVectors>(problem, shared, warp, lane);
    }
  } else if constexpr (K::kScaling == Scaling::kFloatZero) {
    if (problem.weight.zero != nullptr) {
      prepare_scales_of<K, unsigned, unsigned, kAreVectors>(problem, shared, warp, lane);
    } else {
      prepare_scales_of<K, unsigned, std::uint8_t, kAreVectors>(problem, shared, warp, lane);
    }
  }
}

}  // namespace
}  // namespace lowp::kernels::tiles
