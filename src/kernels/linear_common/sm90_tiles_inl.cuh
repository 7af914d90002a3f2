// out^T = W x^T on Hopper: W decoded in registers, which are the wgmma's operand A; x, brought by
// the copy engine, is B. A block makes 128 or 64 columns of out for kTokens rows, a cluster of two
// blocks shares x: each loads half of its tile for both.
//
// Two warpgroups decode and multiply: 64 rows of W each, or the same 64, taking turns at the steps.
// One or two more prepare the stages (sm90_tiles_prepare_inl.cuh): a warp issues the copies, some
// put codes into the order in which a lane needs them, some write scales.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/linear_common/cuda_linear.h"
#include "kernels/linear_common/sm90_tiles_plan.h"
#include "kernels/linear_common/sm90_tiles_scales_inl.cuh"
#include "kernels/runtime/sm90_tma_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

using sm90::kWarpgroup;

constexpr unsigned kVectors = 4;      // of a row of scales, 16 bytes each
constexpr unsigned kGroupTokens = 8;  // tiles of x that consecutive clusters share rows of W in
constexpr unsigned kSharedBytes = 227 << 10;  // of a block

// What one instance is made for. kDepth: warpgroups that take turns.
template <CudaWeightFormat kFormat_, class Codes_, class Pair_, Scaling kScaling_,
          unsigned kTokens_, unsigned kRowGroups_, unsigned kDepth_>
struct Kind {
  static constexpr CudaWeightFormat kFormat = kFormat_;
  using Codes = Codes_;
  using Pair = Pair_;
  static constexpr Scaling kScaling = kScaling_;
  static constexpr unsigned kTokens = kTokens_;
  static constexpr unsigned kRowGroups = kRowGroups_;  // of 64 rows
  static constexpr unsigned kDepth = kDepth_;
  static constexpr unsigned kRows = 64 * kRowGroups;  // of W, in a block

  static constexpr unsigned kConsumers = kRowGroups * kDepth;
  // Warpgroups that prepare. A wgmma of 256 tokens needs more registers than 512 threads may have.
  static constexpr unsigned kProducers = kTokens == 256 ? 1 : 2;
  static constexpr unsigned kCodeWarps = 2 * kProducers;
  static constexpr unsigned kScaleWarps = kProducers;
  static constexpr unsigned kRowsOfLane = kRows / 32;  // whose scales it writes: pairs, 8 apart
  static constexpr unsigned kThreads = (kConsumers + kProducers) * kWarpgroup;
  // Of those that each thread has at the launch: what some give up is all that others get.
  static constexpr unsigned kConsumerRegisters = kTokens == 256 ? 208 : 176;
  static constexpr unsigned kProducerRegisters = kTokens == 256 ? 88 : 80;
  static_assert(kConsumers * kConsumerRegisters + kProducers * kProducerRegisters <=
                (kConsumers + kProducers) * (65536 / kThreads / 8 * 8));

  static constexpr bool kHasByteScales = kFormat == CudaWeightFormat::kMxfp8 ||
                                         kFormat == CudaWeightFormat::kMxfp4 ||
                                         kFormat == CudaWeightFormat::kNvfp4;
  static constexpr unsigned kWords = kWordsOfScale<kScaling>;
  static constexpr unsigned kBlocks =  // of columns with a scale of their own, in a stage
      kScaling == Scaling::kRow ? 0 : (kFormat == CudaWeightFormat::kNvfp4 ? 4 : 2);
  static constexpr unsigned kRowWords = kBlocks * kWords;  // of scales, a row
  static constexpr unsigned kCodeRowBytes = kStep * Codes::kBits / 8;
  static constexpr unsigned kChunks = kCodeRowBytes / 16;  // of a row; words of a lane and row

  // Two rings of stages of 64 columns: x (kTokens, 64) in 128-byte swizzle; codes (kRows, 32 or 64
  // bytes) and scales, which take longer to come and to prepare and are so many steps ahead.
  static constexpr unsigned kXBytes = kTokens * kStep * 2;
  static constexpr unsigned kCodeBytes = kRows * kCodeRowBytes;
  static constexpr unsigned kScaleBytes = kRows * kRowWords * 4;
  static constexpr unsigned kAhead = 2;
  static constexpr unsigned kCodeStages = 8;
  // Each of the warpgroups that took turns writes a part of the tokens, kOutTokens at a time.
  static constexpr unsigned kPartTokens = kTokens / kDepth;
  static constexpr unsigned kOutTokens = kPartTokens % 64 == 0 ? 64 : 32;
  static constexpr unsigned kOutBytes = kOutTokens * 128;
  // The sums over a part, of a warpgroup, and those of all but its writer; then out lies there. All
  // of it fits in a stage of x: where warpgroups take turns, in that of the tile's last step.
  static constexpr unsigned kPartBytes = kPartTokens * 64 * 4;
  static constexpr unsigned kSumBytes = kRowGroups * (kDepth - 1) * kPartBytes;
  static_assert(std::max(kSumBytes, kConsumers* kOutBytes) <= kXBytes);
  static constexpr unsigned kEndBytes = kDepth == 1 ? kConsumers * kOutBytes : 0;
  // Vectors of scales and of zeros of a lane's rows, a warp.
  static constexpr unsigned kVectorBytes = kWords * kRowsOfLane * kVectors * 512;
  static constexpr unsigned kApart = 1024 + kEndBytes + kScaleWarps * kVectorBytes +
                                     kCodeStages * (kCodeBytes + kScaleBytes + 3 * 8);
  // Warpgroups that take turns meet the same stages.
  static constexpr unsigned kStages =
      std::min(kCodeStages - kAhead, (kSharedBytes - kApart) / (kXBytes + 2 * 8)) / kDepth * kDepth;
  static_assert(kStages >= 4 && kCodeStages % kDepth == 0 && kCodeStages % kCodeWarps == 0);
};

struct Problem {
  CudaWeight weight;
  const void* bias;
  void* out;
  unsigned m;
  unsigned n;
  unsigned k;
  unsigned scale_cols;
  unsigned group_reciprocal;     // of a group's 16 columns, times 2^32, rounded up; 0: one group
  std::uint64_t row_reciprocal;  // of a group's rows, times 2^64, rounded up; 0: a row
  unsigned steps;
  unsigned tile_tokens;  // at most kTokens: tiles are even, for the copy engine fills up slowly
  unsigned token_tiles;
  unsigned row_tiles;  // of kCluster * kRows
  unsigned splits;     // of K
  float* parts;        // (splits, M, N), sums that another kernel adds; nullptr: one split
  bool vector_scales;  // rows of scales and zeros are aligned to 16 bytes
  bool vector_out;
};

// Where a row's scales are, among those of all groups of rows.
__device__ inline unsigned scale_row(const Problem& problem, unsigned row) {
  return problem.row_reciprocal == 0
             ? row
             : static_cast<unsigned>(__umul64hi(row, problem.row_reciprocal));
}

// A tile's part of K.
struct Tile {
  unsigned token;  // in tiles
  unsigned row;
  unsigned split;
  unsigned begin;  // the first step
  unsigned steps;
};

// Clusters that run together have few tiles of x and of W between them, so both stay in the L2.
__device__ inline Tile tile_at(const Problem& problem, unsigned index) {
  const unsigned split = index % problem.splits;
  const unsigned begin = problem.steps * split / problem.splits;
  const unsigned end = problem.steps * (split + 1) / problem.splits;
  index /= problem.splits;
  const unsigned of_group = kGroupTokens * problem.row_tiles;
  const unsigned group = index / of_group;
  const unsigned first = group * kGroupTokens;
  const unsigned tokens = min(kGroupTokens, problem.token_tiles - first);
  const unsigned inside = index - group * of_group;
  return {first + inside % tokens, inside / tokens, split, begin, end - begin};
}

// On to the stage `turns` further, fewer than all.
template <unsigned kStages>
__device__ void take_turn(sm90::Stage<kStages>& stage, unsigned turns) {
  stage.index += turns;
  if (stage.index >= kStages) {
    stage.index -= kStages;
    stage.parity ^= 1;
  }
}

// visit(tile), of this block's cluster.
template <class Visit>
__device__ void for_each_tile(const Problem& problem, const Visit& visit) {
  const unsigned tiles = problem.token_tiles * problem.row_tiles * problem.splits;
  for (unsigned i = blockIdx.x / kCluster; i < tiles; i += gridDim.x / kCluster) {
    visit(tile_at(problem, i));
  }
}

// The first row of W of this block.
template <class K>
__device__ unsigned first_row(const Tile& tile) {
  return (tile.row * kCluster + sm90::cluster_rank()) * K::kRows;
}

template <class K>
struct Shared {
  unsigned base;

  __device__ unsigned x(unsigned stage) const { return base + stage * K::kXBytes; }
  __device__ unsigned codes(unsigned stage) const { return x(K::kStages) + stage * K::kCodeBytes; }
  __device__ unsigned scales(unsigned stage) const {
    return codes(K::kCodeStages) + stage * K::kScaleBytes;
  }
  // The place for the end of a tile whose last step, counted from the block's first, is `last`.
  __device__ unsigned end(unsigned last) const {
    return K::kDepth == 1 ? scales(K::kCodeStages) : x(last % K::kStages);
  }
  __device__ unsigned vectors(unsigned warp) const {
    return scales(K::kCodeStages) + K::kEndBytes + warp * K::kVectorBytes;
  }
  // Barriers: x has come, and is no longer used; codes have come, are in order beside their scales,
  // and are no longer used.
  __device__ unsigned x_full(unsigned stage) const { return vectors(K::kScaleWarps) + stage * 8; }
  __device__ unsigned x_empty(unsigned stage) const { return x_full(K::kStages + stage); }
  __device__ unsigned codes_raw(unsigned stage) const { return x_full(2 * K::kStages + stage); }
  __device__ unsigned codes_full(unsigned stage) const { return codes_raw(K::kCodeStages + stage); }
  __device__ unsigned codes_empty(unsigned stage) const {
    return codes_raw(2 * K::kCodeStages + stage);
  }
};

__device__ inline uint4 load_shared_16(unsigned address) {
  uint4 v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}
__device__ inline void store_shared_16(unsigned address, const uint4& v) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.x), "r"(v.y),
               "r"(v.z), "r"(v.w)
               : "memory");
}
__device__ inline uint2 load_shared_8(unsigned address) {
  uint2 v;
  asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(address) : "memory");
  return v;
}
__device__ inline unsigned load_shared_4(unsigned address) {
  unsigned v;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
  return v;
}
__device__ inline void store_shared_4(unsigned address, unsigned value) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(value) : "memory");
}

// --- a stage's codes and scales, as the preparing warps leave them ---

// 16 rows of codes stay in their place. Lane (g, c) of a quarter of a warpgroup has of rows g and
// g + 8 a word a chunk, four words each at a place that keeps the stores apart.
template <class K>
__device__ unsigned code_word_at(unsigned row, unsigned chunk, unsigned c) {
  const unsigned g = row % 8;
  const unsigned word = row / 8 % 2 * K::kChunks + chunk;
  return row / 16 * (16 * K::kCodeRowBytes) + word / 4 * 512 + (g * 4 + (c ^ g / 2)) * 16 +
         word % 4 * 4;
}

// Words of rows g and g + 8 lie side by side: [block of columns][row][word].
template <class K>
__device__ unsigned scale_words_at(unsigned row) {
  return (row / 16 * 8 + row % 8) * 2 * K::kRowWords * 4;
}

}  // namespace
}  // namespace lowp::kernels::tiles
