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
// cluster of blocks may divide K, others the rows of x. All sums are added in the order of K:
// results do not vary.
#pragma once

#include <algorithm>

#include "kernels/linear_common/cuda_weights_inl.h"
#include "kernels/runtime/sm90_tma_inl.cuh"

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
  int tokens;  // rows of x of a block, those of block y from y * tokens on
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

}  // namespace
}  // namespace lowp::kernels::rows
