// What one instance of sm90_gemm_inl.cuh is made for, its shared memory, and its walk over the
// tiles.
#pragma once

#include "kernels/linear_common/sm90_finish_inl.cuh"

namespace lowp::kernels::sm90 {
namespace {

constexpr int kTileRows = 128;
constexpr int kTileDepth = 128;  // bytes of k a stage
constexpr int kConsumers = 2;
constexpr int kThreads = static_cast<int>(kWarpgroup) * (1 + kConsumers);
constexpr int kConsumerRows = kTileRows / kConsumers;
constexpr int kPartColumns = 128;     // whose products leave the tensor cores together
constexpr int kSharedBytes = 232448;  // what a block may have
constexpr int kScaleSteps = 4;        // stages whose scales come together: 16 bytes of a row
constexpr int kScaleSlots = 2;        // each filled by a warp of its own

// Where sums are kept.
//   kDirect        in the tensor core's accumulators, to the end
//   kPromoted      added to fp32 registers every 128 of k
//   kBlocks        the same, times a scale per row and one per 128 columns
//   kBlockColumns  the same, times a scale per row and one per column
enum class Mainloop { kDirect, kPromoted, kBlocks, kBlockColumns };

template <class OperandPair, class SumType, Mainloop kLoop, int kTileColumns>
struct GemmConfig {
  using Operands = OperandPair;
  using Sum = SumType;
  static constexpr Mainloop kMainloop = kLoop;
  static constexpr int kColumns = kTileColumns;
  static constexpr int kParts = kTileColumns / kPartColumns;
  // Whether scales go through a ring in shared memory to the sums, or multiply them at the end.
  static constexpr bool kRing = kLoop == Mainloop::kBlocks || kLoop == Mainloop::kBlockColumns;

  // Of a thread. Together at most the 168 that each of the three warpgroups starts with, or the
  // consumers wait for ever.
  static constexpr unsigned kProducerRegisters = kRing ? 56 : 40;
  static constexpr unsigned kConsumerRegisters = kRing ? 224 : 232;
  static_assert(kProducerRegisters + kConsumers * kConsumerRegisters <= (1 + kConsumers) * 168);

  static constexpr int kBytesA = kTileRows * kTileDepth;
  static constexpr int kBytesB = kTileColumns * kTileDepth;
  // Scales of a stage: of rows, then of columns or of parts. The 8 more, in which those of parts
  // lie, spread the steps of a slot over the banks.
  static constexpr int kColumnScales = kLoop == Mainloop::kBlockColumns ? kTileColumns : 0;
  static constexpr int kStepBytes = (kTileRows + kColumnScales + 8) * 4;
  static constexpr int kSlotBytes = kRing ? kScaleSteps * kStepBytes : 0;
  static constexpr int kWarpStaging = kTileColumns / 64 * kStoreBytes;
  static constexpr int kStaging = kConsumers * 4 * kWarpStaging;
  static constexpr int kFixedBytes =
      kStaging + kConsumers * kTileColumns * kColumnBytes + kScaleSlots * (kSlotBytes + 16);
  static constexpr int kStages = (kSharedBytes - kFixedBytes) / (kBytesA + kBytesB + 16);
  static constexpr int kShared = kFixedBytes + kStages * (kBytesA + kBytesB + 16);
};

__device__ inline int steps_of(int k) { return (k + kTileDepth - 1) / kTileDepth; }

// Shared memory, by address. Tiles first: they are aligned to 1024.
template <class Config>
struct Shared {
  unsigned base;

  __device__ unsigned a(unsigned stage) const { return base + stage * Config::kBytesA; }
  __device__ unsigned b(unsigned stage) const {
    return a(Config::kStages) + stage * Config::kBytesB;
  }
  __device__ unsigned staging() const { return b(Config::kStages); }
  __device__ unsigned columns() const { return staging() + Config::kStaging; }
  __device__ unsigned scales(unsigned slot) const {
    return columns() + kConsumers * Config::kColumns * kColumnBytes + slot * Config::kSlotBytes;
  }
  // Barriers: a stage has come, is no longer needed; the scales of a slot likewise.
  __device__ unsigned full(unsigned stage) const { return scales(kScaleSlots) + stage * 8; }
  __device__ unsigned empty(unsigned stage) const { return full(Config::kStages) + stage * 8; }
  __device__ unsigned scales_full(unsigned slot) const { return empty(Config::kStages) + slot * 8; }
  __device__ unsigned scales_empty(unsigned slot) const {
    return scales_full(kScaleSlots) + slot * 8;
  }
};

// The tiles of one block, one after the other.
template <class Config>
struct TileWalk {
  const GemmTiles& tiles;
  int index;
  int step;

  __device__ explicit TileWalk(const GemmTiles& of)
      : tiles(of), index(static_cast<int>(blockIdx.x)), step(static_cast<int>(gridDim.x)) {}

  __device__ bool done() const { return index >= tiles.rows * tiles.columns * tiles.batch; }
  __device__ void next() { index += step; }

  // The first row and column of the tile.
  __device__ Place place() const {
    const auto all = static_cast<unsigned>(index);
    const unsigned batch = tiles.of_matrix.quotient(all);
    const unsigned rest = all - batch * tiles.of_matrix.divisor;
    const unsigned group = tiles.of_group.quotient(rest);
    const unsigned in_group = rest - group * tiles.of_group.divisor;
    const unsigned first = group * static_cast<unsigned>(tiles.group);
    const bool last =
        first + static_cast<unsigned>(tiles.group) > static_cast<unsigned>(tiles.rows);
    const unsigned column =
        last ? tiles.of_last_rows.quotient(in_group) : tiles.of_rows.quotient(in_group);
    const unsigned rows = last ? tiles.of_last_rows.divisor : tiles.of_rows.divisor;
    const auto row = static_cast<int>(first + in_group - column * rows);
    return {row * kTileRows, static_cast<int>(column) * Config::kColumns, static_cast<int>(batch)};
  }
};

}  // namespace
}  // namespace lowp::kernels::sm90
