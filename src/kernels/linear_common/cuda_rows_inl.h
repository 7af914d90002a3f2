// The kernel for few rows of activations: bound by reading the weight once.
//
// mma.m16n8k16 with the weight as A (16 rows of it) and the activations as B (8 rows of them). The
// order of K in a product is free: each lane of a quad decodes its own 16 bytes of a weight row,
// and activations lie in shared memory in the order in which these codes decode. So the plain
// layout is read with 16-byte copies, and nothing is exchanged between lanes.
//   unit   64 bytes of a row: what a quad takes at a time, 128 columns of 4 bits or 64 of 8
//   line   128 bytes of a row, two units
//   step   a line for each of the kWarpsK warps that share rows
//   tile   kTileRows rows of the weight
// Weights go to shared memory asynchronously, kStages - 1 steps ahead. A multiprocessor takes a
// request for a part of a cache line in about the same time as one for all of it, some 7 cycles on
// an H200: so a warp copies whole lines, to itself alone (no barrier of the block), and the scales
// of a tile are copied once, row by row, ahead of it. A block walks over tiles; copies run ahead
// into the next one. A cluster of blocks splits K, and sums its parts in the order of K: results
// do not vary.
#pragma once

#include "kernels/linear_common/cuda_weights_inl.h"

namespace lowp::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kLine = 128;  // bytes

struct RowsTask {
  const std::uint8_t* x;  // 16-bit values
  long long x_stride;     // bytes
  int m;                  // 1 to 8 * kTilesM
  const std::uint8_t* codes;
  long long row_bytes;
  int n;
  int k;
  int k_steps;
  int tiles;
  int clusters;
  int splits;  // blocks of a cluster
  Parameters parameters;
  int parameter_words[2];  // of a row's in shared memory
  int parameter_buffers;   // tiles whose parameters are there
  int whole_steps;         // whose activations are there, if all are
  const std::uint16_t* bias;
  std::uint16_t* out;
};

// kTilesM: 8 rows of activations each; kTilesN: 16 rows of the weight each, of a warp.
// kWhole: the activations of all steps are in shared memory from the start, else of two steps.
template <class WeightFormat, int kTilesMOf, int kTilesNOf, int kWarpsKOf, int kStagesOf,
          bool kWholeOf, int kBlocksOf>
struct RowsConfig {
  using Weight = WeightFormat;
  static constexpr int kTilesM = kTilesMOf;
  static constexpr int kTilesN = kTilesNOf;
  static constexpr int kWarpsK = kWarpsKOf;
  static constexpr int kStages = kStagesOf;
  static constexpr bool kWhole = kWholeOf;
  static constexpr int kBlocks = kBlocksOf;  // of a multiprocessor

  static constexpr int kWarpsN = kWarps / kWarpsK;
  static constexpr int kTileRows = kWarpsN * kTilesN * 16;
  static constexpr int kPieces = kTilesN * 2;  // of a lane and unit
  static constexpr int kPieceColumns = 128 / Weight::kBits;
  static constexpr int kUnitColumns = 4 * kPieceColumns;
  static constexpr int kLineColumns = 2 * kUnitColumns;
  static constexpr int kStepColumns = kWarpsK * kLineColumns;
  static constexpr int kCopies = kTilesN * 4;  // of 4 lines each, of a warp and step
  static constexpr int kWarpBytes = kTilesN * 16 * kLine;
  static constexpr int kStageBytes = kWarps * kWarpBytes;  // [warp][row][line]
  // Sums: [kWarpsK][8 kTilesM][kSumStride] fp32; the stride keeps a warp's stores apart.
  static constexpr int kSumStride = kTileRows + 4;
  static constexpr int kSumBytes = kWarpsK * kTilesM * 8 * kSumStride * 4;
  static constexpr int kVectorsAStep = kStepColumns / 8;  // of 8 activations, of a row
  static constexpr int kMostVectors = (kTilesM * 8 * kVectorsAStep + kThreads - 1) / kThreads;

  static constexpr int step_bytes(int m) { return m * kStepColumns * 2; }
  // Without parameters.
  static constexpr int shared_bytes(int m, int steps) {
    return kStages * kStageBytes + kSumBytes + (kWhole ? steps : 2) * step_bytes(m);
  }
};

struct Lane {
  int thread = static_cast<int>(threadIdx.x);
  int warp_k;
  int warp_n;
  int row = thread % 32 / 4;  // of 8
  int quad = thread % 4;      // lane of the quad
};

// Lines of a warp's rows to its part of a stage. In a line the 16-byte chunks of odd rows change
// halves, so that eight lanes read two rows without a bank conflict.
template <class Config>
struct WeightStream {
  using Weight = typename Config::Weight;

  const RowsTask& task;
  const Lane& lane;
  int begin;  // steps of this block
  int end;
  int tile;
  int left = 0;  // steps of the tile
  int column = 0;
  int rows_left = 0;  // from this lane's first row to the last of the weight
  const std::uint8_t* codes = nullptr;
  unsigned first_slot;  // of this lane's first copy
  unsigned slot = first_slot;

  __device__ static int copy_row(const Lane& lane) { return lane.thread % 32 / 8; }
  __device__ static unsigned copy_offset(const Lane& lane) {
    const int row = copy_row(lane);
    return lane.thread / 32 * Config::kWarpBytes + row * kLine +
           (lane.thread % 8 ^ row % 2 * 4) * 16;
  }

  __device__ void enter_tile() {
    left = end - begin;
    column = (begin * Config::kWarpsK + lane.warp_k) * Config::kLineColumns +
             lane.thread % 8 * Config::kPieceColumns;
    const int row = tile * Config::kTileRows + lane.warp_n * Config::kTilesN * 16 + copy_row(lane);
    rows_left = task.n - row;
    codes = task.codes + row * task.row_bytes + static_cast<long long>(column) * Weight::kBits / 8;
  }
  // Zeros behind the last row and column. Whether this was a tile's last step.
  __device__ bool copy_step() {
    const bool inside = column < task.k;
    const std::uint8_t* source = codes;
#pragma unroll
    for (int i = 0; i < Config::kCopies; ++i) {
      copy_16_async(slot + i * 4 * kLine, source, inside && i * 4 < rows_left ? 16 : 0);
      source += 4 * task.row_bytes;
    }
    codes += Config::kStepColumns * Weight::kBits / 8;
    column += Config::kStepColumns;
    slot = next_slot(slot, first_slot);
    return --left == 0;
  }
  __device__ static unsigned next_slot(unsigned slot, unsigned first) {
    const unsigned next = slot + Config::kStageBytes;
    return next == first + Config::kStages * Config::kStageBytes ? first : next;
  }
};

// Scales and zeros of a tile's rows and a block's columns, in words of 4 bytes that hold them:
// [buffer][row][word] of the first parameter, then of the second.
template <class Config>
struct ParameterTiles {
  using Weight = typename Config::Weight;

  const RowsTask& task;
  const Lane& lane;
  unsigned shared;
  int first_group;  // of this block's columns
  int groups;

  __device__ ParameterTiles(const RowsTask& task, const Lane& lane, unsigned shared, int begin,
                            int end)
      : task(task), lane(lane), shared(shared) {
    first_group = group_of(begin * Config::kStepColumns);
    groups = group_of(min(end * Config::kStepColumns, task.k) - 1) - first_group + 1;
  }
  __device__ int group_of(int column) const {
    return static_cast<int>(__umulhi(column, task.parameters.group_reciprocal));
  }
  __device__ unsigned base(int parameter, int buffer) const {
    const int before = parameter == 0 ? 0 : task.parameter_buffers * task.parameter_words[0];
    return shared + (before + buffer * task.parameter_words[parameter]) * Config::kTileRows * 4;
  }
  __device__ const std::uint8_t* source(int parameter, int tile, int row) const {
    const Parameters& parameters = task.parameters;
    const int weight_row = min(tile * Config::kTileRows + row, task.n - 1);
    const long long index =
        static_cast<long long>(weight_row >> parameters.row_shift) * parameters.columns +
        first_group;
    return static_cast<const std::uint8_t*>(parameters.values[parameter]) +
           index * parameters.bytes[parameter];
  }

  // Whole words: up to three bytes beside the values, which no allocation ends in.
  __device__ void copy(int tile, int buffer) const {
#pragma unroll
    for (int p = 0; p < Weight::kParameters; ++p) {
      for (int row = lane.thread / 32; row < Config::kTileRows; row += kWarps) {
        const std::uint8_t* from = source(p, tile, row);
        const auto skipped = static_cast<int>(reinterpret_cast<std::uintptr_t>(from) % 4);
        const int words = (skipped + groups * task.parameters.bytes[p] + 3) / 4;
        const unsigned to = base(p, buffer) + row * task.parameter_words[p] * 4;
        for (int word = lane.thread % 32; word < words; word += 32) {
          copy_4_async(to + word * 4, from - skipped + word * 4, 4);
        }
      }
    }
  }
  // Where the values of this lane's row `piece` lie in shared memory, from first_group on.
  __device__ unsigned row_of(int parameter, int tile, int buffer, int piece) const {
    const int row = lane.warp_n * Config::kTilesN * 16 + piece * 8 + lane.row;
    const auto skipped =
        static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(source(parameter, tile, row)) % 4);
    return base(parameter, buffer) + row * task.parameter_words[parameter] * 4 + skipped;
  }
};

// A step's activations on their way to shared memory, as [unit][eight][row][quad] vectors of 16
// bytes: what a warp loads at a time lies side by side.
template <class Config>
struct ActivationStream {
  using Weight = typename Config::Weight;
  static constexpr int kEights = Weight::kEights;

  // Threads go over lanes of the quad, two rows, eights, units, then the rest: neither global
  // sectors nor banks are wasted.
  struct Place {
    int row;
    int vector;  // of 8 columns, in the step
    int slot;
  };
  // All threads together: rows, if they take whole pairs of them.
  static constexpr int kRowsAPass = kThreads / Config::kVectorsAStep;
  static constexpr bool kWholePairs = kRowsAPass >= 2;

  const RowsTask& task;
  const Lane& lane;
  Place first = place(lane.thread);
  uint4 vectors[Config::kWhole ? 1 : Config::kMostVectors];

  __device__ Place place(int index) const {
    const int two = task.m > 1 ? 2 : 1;
    const int quad = index % 4;
    index /= 4;
    const int low = two == 2 ? index % 2 : 0;
    index /= two;
    const int eight = index % kEights;
    index /= kEights;
    const int unit = index % (2 * Config::kWarpsK);
    const int row = index / (2 * Config::kWarpsK) * two + low;
    return {row, (unit * 4 + quad) * kEights + eight,
            ((unit * kEights + eight) * task.m + row) * 4 + quad};
  }
  __device__ Place place_of_pass(int pass) const {
    if (!kWholePairs) return place(lane.thread + pass * kThreads);
    const int rows = pass * kRowsAPass;
    return {first.row + rows, first.vector, first.slot + rows * 4};
  }

  // visit(source, slot, bytes) for each of this thread's vectors; 0 bytes behind the last column.
  template <class Visit>
  __device__ void for_each(int step, const Visit& visit) const {
#pragma unroll
    for (int i = 0; i < Config::kMostVectors; ++i) {
      const Place at = place_of_pass(i);
      if (at.row >= task.m) break;
      const int column = step * Config::kStepColumns + at.vector * 8;
      const bool inside = column < task.k;
      visit(i, task.x + at.row * task.x_stride + (inside ? column * 2LL : 0), at.slot,
            inside ? 16 : 0);
    }
  }

  // Asynchronously, in torch's order, then in place into that of the codes.
  __device__ void copy(int step, const uint4* shared) const {
    for_each(step, [&](int, const std::uint8_t* source, int slot, int bytes) {
      copy_16_async(shared_address(shared + slot), source, bytes);
    });
  }
  __device__ void reorder(int step, uint4* shared) const {
    for_each(step, [&](int, const std::uint8_t*, int slot, int) {
      shared[slot] = Weight::order(shared[slot]);
    });
  }

  // Through registers.
  __device__ void load(int step) {
    for_each(step, [&](int i, const std::uint8_t* source, int, int bytes) {
      vectors[i] = bytes == 0 ? uint4{} : __ldg(reinterpret_cast<const uint4*>(source));
    });
  }
  __device__ void store(int step, uint4* shared) const {
    for_each(step, [&](int i, const std::uint8_t*, int slot, int) {
      shared[slot] = Weight::order(vectors[i]);
    });
  }
};

// Few products are summed in two chains, those of a product's halves: one would wait for itself.
template <class Config>
struct Sums {
  static constexpr int kChains = Config::kTilesN * Config::kTilesM < 4 ? 2 : 1;
  float of[kChains][Config::kTilesN][Config::kTilesM][4];

  __device__ void clear() {
#pragma unroll
    for (int c = 0; c < kChains; ++c) {
#pragma unroll
      for (int n = 0; n < Config::kTilesN; ++n) {
#pragma unroll
        for (int m = 0; m < Config::kTilesM; ++m) {
#pragma unroll
          for (int i = 0; i < 4; ++i) of[c][n][m][i] = 0.0F;
        }
      }
    }
  }
  __device__ float at(int n, int m, int i) const {
    return kChains == 2 ? of[0][n][m][i] + of[kChains - 1][n][m][i] : of[0][n][m][i];
  }
};

// sums += the weight's pieces times the activations of one eight.
template <class Config, int kEight>
__device__ void multiply_eight(Sums<Config>& sums, const uint4 (&pieces)[Config::kPieces],
                               const typename Config::Weight::Group (&groups)[Config::kPieces],
                               const uint4* x, const int (&x_offset)[Config::kTilesM]) {
  using X = typename Config::Weight::X;
  unsigned a[Config::kTilesN][2][4];
#pragma unroll
  for (int n = 0; n < Config::kTilesN; ++n) {
    unsigned upper[4];
    unsigned lower[4];
    Config::Weight::template decode<kEight>(pieces[2 * n], groups[2 * n], upper);
    Config::Weight::template decode<kEight>(pieces[2 * n + 1], groups[2 * n + 1], lower);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      a[n][half][0] = upper[2 * half];
      a[n][half][1] = lower[2 * half];
      a[n][half][2] = upper[2 * half + 1];
      a[n][half][3] = lower[2 * half + 1];
    }
  }
  constexpr int kTogether = Config::kTilesM < 4 ? Config::kTilesM : 4;
#pragma unroll
  for (int first = 0; first < Config::kTilesM; first += kTogether) {
    uint4 b[kTogether];
#pragma unroll
    for (int m = 0; m < kTogether; ++m) b[m] = x[x_offset[first + m]];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      auto& chain = sums.of[half % Sums<Config>::kChains];
#pragma unroll
      for (int m = 0; m < kTogether; ++m) {
#pragma unroll
        for (int n = 0; n < Config::kTilesN; ++n) {
          X::multiply_add(chain[n][first + m], a[n][half], half == 0 ? b[m].x : b[m].z,
                          half == 0 ? b[m].y : b[m].w);
        }
      }
    }
  }
}

template <class Config>
__device__ void multiply_unit(Sums<Config>& sums, const uint4 (&pieces)[Config::kPieces],
                              const typename Config::Weight::Group (&groups)[Config::kPieces],
                              const uint4* x, int m, const int (&x_offset)[Config::kTilesM]) {
  multiply_eight<Config, 0>(sums, pieces, groups, x, x_offset);
  multiply_eight<Config, 1>(sums, pieces, groups, x + 4 * m, x_offset);
  if constexpr (Config::Weight::kEights == 4) {
    multiply_eight<Config, 2>(sums, pieces, groups, x + 8 * m, x_offset);
    multiply_eight<Config, 3>(sums, pieces, groups, x + 12 * m, x_offset);
  }
}

template <class Config>
__device__ void add_scaled(Sums<Config>& sums, const Sums<Config>& part,
                           const typename Config::Weight::Group (&groups)[Config::kPieces]) {
#pragma unroll
  for (int n = 0; n < Config::kTilesN; ++n) {
#pragma unroll
    for (int m = 0; m < Config::kTilesM; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float& sum = sums.of[0][n][m][i];
        sum = fmaf(part.at(n, m, i), groups[2 * n + i / 2].scale, sum);
      }
    }
  }
}

template <class Config>
__device__ void store_sums(const Sums<Config>& sums, const Lane& lane, float* shared) {
  float* mine = shared + lane.warp_k * Config::kTilesM * 8 * Config::kSumStride +
                lane.warp_n * Config::kTilesN * 16 + lane.row;
#pragma unroll
  for (int n = 0; n < Config::kTilesN; ++n) {
#pragma unroll
    for (int m = 0; m < Config::kTilesM; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = m * 8 + lane.quad * 2 + i % 2;
        mine[column * Config::kSumStride + n * 16 + i / 2 * 8] = sums.at(n, m, i);
      }
    }
  }
}

// Sums over warps and blocks in the order of K, scale, bias, one rounding.
template <class Config>
__device__ void write_tile(const RowsTask& task, int tile, float* sums) {
  using X = typename Config::Weight::X;
  const int rank = static_cast<int>(blockIdx.x) % task.splits;
  const int rows = Config::kTileRows / task.splits;
  const unsigned base = shared_address(sums);
  for (int index = static_cast<int>(threadIdx.x); index < task.m * rows; index += kThreads) {
    const int m = index / rows;
    const int row = rank * rows + index % rows;
    const int n = tile * Config::kTileRows + row;
    if (n >= task.n) continue;
    float sum = 0.0F;
    for (int block = 0; block < task.splits; ++block) {
#pragma unroll
      for (int warp = 0; warp < Config::kWarpsK; ++warp) {
        const int at = (warp * Config::kTilesM * 8 + m) * Config::kSumStride + row;
        sum += task.splits == 1 ? sums[at] : load_from_block(base + at * 4, block);
      }
    }
    sum *= Config::Weight::row_factor(task.parameters, n);
    if (task.bias != nullptr) sum += X::to_float(task.bias[n]);
    task.out[static_cast<long long>(m) * task.n + n] =
        static_cast<std::uint16_t>(X::from_floats(sum, 0.0F));
  }
}

template <class Config>
__global__ void __launch_bounds__(kThreads, Config::kBlocks)
    linear_rows(const __grid_constant__ RowsTask task) {
  using Weight = typename Config::Weight;
  extern __shared__ __align__(128) uint4 shared[];
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const Lane lane{.warp_k = warp % Config::kWarpsK, .warp_n = warp / Config::kWarpsK};
  auto* sums_shared = reinterpret_cast<float*>(shared + Config::kStages * Config::kStageBytes / 16);
  uint4* x_shared = shared + (Config::kStages * Config::kStageBytes + Config::kSumBytes) / 16;
  const int step_vectors = Config::step_bytes(task.m) / 16;

  const int rank = static_cast<int>(blockIdx.x) % task.splits;
  const int first_tile = static_cast<int>(blockIdx.x) / task.splits;
  const int begin = task.k_steps * rank / task.splits;
  const int end = task.k_steps * (rank + 1) / task.splits;
  const int first_steps = Config::kWhole ? end - begin : 1;

  const unsigned parameter_shared =
      shared_address(x_shared + (Config::kWhole ? task.whole_steps : 2) * step_vectors);
  const ParameterTiles<Config> parameters(task, lane, parameter_shared, begin, end);
  int copied_buffer = 0;
  parameters.copy(first_tile, copied_buffer);
  ActivationStream<Config> activations{.task = task, .lane = lane};
#pragma unroll 1
  for (int i = 0; i < first_steps; ++i) {
    activations.copy(begin + i, x_shared + i * step_vectors);
  }
  commit_copies();

  const unsigned stages = shared_address(shared);
  WeightStream<Config> weights{.task = task,
                               .lane = lane,
                               .begin = begin,
                               .end = end,
                               .tile = first_tile,
                               .first_slot = stages + WeightStream<Config>::copy_offset(lane)};
  weights.enter_tile();
  // A group of copies, empty behind the last tile. With a tile's last step come the next one's
  // parameters: they are there, for all warps, when the barriers at the tile's end are passed.
  const auto copy_next = [&] {
    if (weights.tile < task.tiles && weights.copy_step()) {
      weights.tile += task.clusters;
      if (weights.tile < task.tiles) {
        weights.enter_tile();
        copied_buffer = copied_buffer + 1 == task.parameter_buffers ? 0 : copied_buffer + 1;
        parameters.copy(weights.tile, copied_buffer);
      }
    }
    commit_copies();
  };
#pragma unroll 1
  for (int i = 0; i < Config::kStages - 1; ++i) copy_next();
  wait_for_copies<Config::kStages - 1>();
#pragma unroll 1
  for (int i = 0; i < first_steps; ++i) {
    activations.reorder(begin + i, x_shared + i * step_vectors);
  }
  __syncthreads();

  int x_offset[Config::kTilesM];
#pragma unroll
  for (int m = 0; m < Config::kTilesM; ++m) {
    x_offset[m] = min(m * 8 + lane.row, task.m - 1) * 4 + lane.quad;
  }

  const unsigned first_slot =
      stages + warp * Config::kWarpBytes + lane.row * kLine + (lane.quad ^ lane.row % 2 * 4) * 16;
  unsigned slot = first_slot;
  int x_buffer = 0;
  int parameter_buffer = 0;
  for (int tile = first_tile; tile < task.tiles; tile += task.clusters) {
    unsigned parameter_rows[Config::kPieces][2];
#pragma unroll
    for (int i = 0; i < Config::kPieces; ++i) {
#pragma unroll
      for (int p = 0; p < Weight::kParameters; ++p) {
        parameter_rows[i][p] = parameters.row_of(p, tile, parameter_buffer, i);
      }
    }
    int column = (begin * Config::kWarpsK + lane.warp_k) * Config::kLineColumns +
                 lane.quad * Config::kPieceColumns;
    Sums<Config> sums;
    sums.clear();
#pragma unroll 1
    for (int step = begin; step < end; ++step) {
      const bool more = step + 1 < end || tile + task.clusters < task.tiles;
      const int next_step = step + 1 < end ? step + 1 : begin;
      if constexpr (!Config::kWhole) {
        if (more) activations.load(next_step);
      }

      wait_for_copies<Config::kStages - 2>();
      __syncwarp();
      copy_next();

      const uint4* x = x_shared + (Config::kWhole ? step - begin : x_buffer) * step_vectors +
                       lane.warp_k * 2 * Weight::kEights * 4 * task.m;
#pragma unroll
      for (int unit = 0; unit < 2; ++unit) {
        uint4 pieces[Config::kPieces];
        typename Weight::Group groups[Config::kPieces];
        // Beside the last column the codes are zero; a scale beside the last might be NaN.
        const int group = Weight::kParameters == 0
                              ? 0
                              : min(parameters.group_of(column) - parameters.first_group,
                                    parameters.groups - Weight::kGroupsAPiece);
        column += Config::kUnitColumns;
#pragma unroll
        for (int i = 0; i < Config::kPieces; ++i) {
          pieces[i] = load_shared_16((slot ^ unit * 64) + i * 8 * kLine);
          groups[i] = Weight::group(task.parameters, parameter_rows[i], group);
        }
        if constexpr (Weight::kScalesSums) {
          Sums<Config> part;
          part.clear();
          multiply_unit<Config>(part, pieces, groups, x, task.m, x_offset);
          add_scaled<Config>(sums, part, groups);
        } else {
          multiply_unit<Config>(sums, pieces, groups, x, task.m, x_offset);
        }
        x += Weight::kEights * 4 * task.m;
      }
      column += (Config::kWarpsK - 1) * Config::kLineColumns;
      slot = WeightStream<Config>::next_slot(slot, first_slot);

      if constexpr (!Config::kWhole) {
        x_buffer ^= 1;
        if (more) activations.store(next_step, x_shared + x_buffer * step_vectors);
        __syncthreads();
      }
    }
    store_sums<Config>(sums, lane, sums_shared);
    if (task.splits == 1) {
      __syncthreads();
      write_tile<Config>(task, tile, sums_shared);
      __syncthreads();
    } else {
      cluster_barrier();
      write_tile<Config>(task, tile, sums_shared);
      cluster_barrier();
    }
    parameter_buffer = parameter_buffer + 1 == task.parameter_buffers ? 0 : parameter_buffer + 1;
  }
}

}  // namespace
}  // namespace lowp::kernels
