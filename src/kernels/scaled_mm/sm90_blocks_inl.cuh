// C = A B^T on Hopper, both operands in blocks of 16 or 32 elements with a scale: decoded to bf16
// inside of the tile. A becomes the wgmma's operand in registers; B is written to shared memory as
// bf16 by a warpgroup of its own. Shared memory's bandwidth bounds the kernel: with 256 rows of A
// for 128 of B, reading and writing a step takes as long as its products.
//
// Warpgroups 0 and 1 decode A and multiply; 2 decodes B; of 3 one warp issues copies and three
// bring scales. A cluster of two blocks shares A: each copies half of its codes for both.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/runtime/sm90_tma_inl.cuh"
#include "kernels/scaled_mm/scaled_mm.h"
#include "kernels/scaled_mm/sm90_blocks_decode_inl.cuh"

namespace lowp::kernels::blocks {
namespace {

using sm90::kWarpgroup;

constexpr unsigned kCols = 128;   // rows of B, columns of C, in a block
constexpr unsigned kStep = 64;    // k in a stage
constexpr unsigned kCluster = 2;  // blocks
constexpr unsigned kConsumers = 2;
constexpr unsigned kThreads = (kConsumers + 2) * kWarpgroup;
constexpr unsigned kLoaderWarps = 3;
constexpr unsigned kConsumerRegisters = 192;
constexpr unsigned kDecoderRegisters = 64;
constexpr unsigned kProducerRegisters = 64;
constexpr unsigned kDecodedStages = 3;
constexpr unsigned kDecodedBytes = kCols * kStep * 2;
constexpr unsigned kOutBytes = 16 * 128;  // of a warp: 16 rows, 64 columns
constexpr unsigned kBiasBytes = kCols * 4;
constexpr unsigned kGroupTiles = 8;  // tiles of A that consecutive clusters share B in

// Bringing scales, a lane has those of one of 4 stages, a warp those of 8 rows, then of 8 others.
constexpr unsigned kLaneSteps = 4;
constexpr unsigned kWarpRows = 32 / kLaneSteps;
constexpr unsigned kLoaderRows = kLoaderWarps * kWarpRows;
constexpr unsigned kLoaderWords = kLoaderWarps * 32;

template <unsigned kRows>
inline constexpr unsigned kRowsOfLane = (kRows + kLoaderRows - 1) / kLoaderRows;

// What one instance is made for: codes of A and B, elements that share a scale, rows of A.
template <class ChunkA_, class ChunkB_, unsigned kScaled_, unsigned kBlocks_>
struct Kind {
  using ChunkA = ChunkA_;
  using ChunkB = ChunkB_;
  static constexpr bool kIsNvfp4 = kScaled_ == 16;
  static constexpr unsigned kBlocks = kBlocks_;  // of 64 rows, a consumer
  static constexpr unsigned kRows = kBlocks * 64 * kConsumers;
  static constexpr unsigned kScales = kStep / kScaled_;  // of a row in a stage
  static constexpr unsigned kRowBytes = ChunkA::kWords * 16;

  // A stage: codes of A, of B, scales of both, a word with those of a row.
  static constexpr unsigned kABytes = kRows * kRowBytes;
  static constexpr unsigned kBBytes = kCols * kRowBytes;
  static constexpr unsigned kScaleBytes = (kRows + kCols) * 4;
  static constexpr unsigned kStageBytes = kABytes + kBBytes + kScaleBytes;
  static constexpr unsigned kFixedBytes =
      kDecodedStages * kDecodedBytes + kConsumers * 4 * (kOutBytes + kBiasBytes) +
      (kRowsOfLane<kRows> + kRowsOfLane<kCols>)*kLoaderWords * 4;
  static constexpr unsigned kStages = std::min(6U, (225U * 1024 - kFixedBytes) / kStageBytes);
  static constexpr unsigned kBarriersAt = kStages * kStageBytes + kFixedBytes;
  static constexpr unsigned kSharedBytes =
      kBarriersAt + 2 * (kStages + kDecodedStages) * 8 + 1024;  // 1024: alignment
  static_assert(ChunkA::kWords == ChunkB::kWords);
};

struct Problem {
  Scales a;
  Scales b;
  const float* tensor_scale_a;
  const float* tensor_scale_b;
  const void* bias;
  void* out;
  DType bias_dtype;
  DType out_dtype;
  unsigned m;
  unsigned n;
  unsigned k;
  unsigned steps;
  unsigned row_tiles;
  unsigned col_tiles;  // of kCluster * kCols
  unsigned batch;
  bool a_is_batched;
  bool b_is_batched;
};

struct Tile {
  unsigned batch;
  unsigned row;
  unsigned col;
};

// Clusters that run together have few tiles of A and of B between them, so both stay in the L2.
__device__ inline Tile tile_at(const Problem& problem, unsigned index) {
  const unsigned of_batch = problem.row_tiles * problem.col_tiles;
  const unsigned batch = index / of_batch;
  index -= batch * of_batch;
  const unsigned of_group = kGroupTiles * problem.col_tiles;
  const unsigned group = index / of_group;
  const unsigned first = group * kGroupTiles;
  const unsigned rows = min(kGroupTiles, problem.row_tiles - first);
  const unsigned inside = index - group * of_group;
  return {batch, first + inside % rows, inside / rows};
}

// Calls f(tile) for each tile of this cluster.
template <class Function>
__device__ void for_each_tile(const Problem& problem, Function&& f) {
  const unsigned tiles = problem.batch * problem.row_tiles * problem.col_tiles;
  for (unsigned i = blockIdx.x / kCluster; i < tiles; i += gridDim.x / kCluster) {
    f(tile_at(problem, i));
  }
}

template <class K>
struct Shared {
  unsigned base;

  __device__ unsigned a(unsigned stage) const {
    return base + kDecodedStages * kDecodedBytes + stage * K::kStageBytes;
  }
  __device__ unsigned b(unsigned stage) const { return a(stage) + K::kABytes; }
  __device__ unsigned scales(unsigned stage) const { return b(stage) + K::kBBytes; }
  __device__ unsigned decoded(unsigned stage) const { return base + stage * kDecodedBytes; }
  __device__ unsigned out(unsigned warp) const {
    return a(K::kStages) + warp * (kOutBytes + kBiasBytes);
  }
  __device__ unsigned waiting() const { return out(kConsumers * 4); }
  // Barriers: codes and scales have come, are no longer needed; B is decoded, no longer needed.
  __device__ unsigned full(unsigned stage) const { return base + K::kBarriersAt + stage * 8; }
  __device__ unsigned empty(unsigned stage) const { return full(K::kStages + stage); }
  __device__ unsigned ready(unsigned stage) const { return full(2 * K::kStages + stage); }
  __device__ unsigned free(unsigned stage) const { return ready(kDecodedStages + stage); }
};

template <unsigned kCount>
__device__ void load_shared(unsigned (&words)[kCount], unsigned address) {
  static_assert(kCount == 1 || kCount == 2 || kCount == 4);
  if constexpr (kCount == 1) {
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(words[0]) : "r"(address));
  } else if constexpr (kCount == 2) {
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];"
                 : "=r"(words[0]), "=r"(words[1])
                 : "r"(address));
  } else {
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(address));
  }
}

template <unsigned kCount>
__device__ void store_shared(unsigned address, const unsigned (&words)[kCount]) {
  static_assert(kCount == 1 || kCount == 2 || kCount == 4);
  if constexpr (kCount == 1) {
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(words[0]) : "memory");
  } else if constexpr (kCount == 2) {
    asm volatile("st.shared.v2.u32 [%0], {%1, %2};" ::"r"(address), "r"(words[0]), "r"(words[1])
                 : "memory");
  } else {
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(words[0]),
                 "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
  }
}

// Copies write to a stage of both blocks, so each warp that is done tells both.
template <class K>
__device__ void release_codes(Shared<K> shared, unsigned stage, unsigned lane) {
  if (lane < kCluster) {
    sm90::barrier_arrive_remote(sm90::map_to_block(shared.empty(stage), lane));
  }
}

// --- the warp that issues copies ---

template <class K>
__device__ void copy_tiles(const Problem& problem, const CUtensorMap* a_map,
                           const CUtensorMap* b_map, Shared<K> shared) {
  const unsigned rank = sm90::cluster_rank();
  constexpr unsigned kHalf = K::kRows / kCluster;
  sm90::Stage<K::kStages> stage;
  for_each_tile(problem, [&](Tile tile) {
    const int row = static_cast<int>(tile.row * K::kRows + rank * kHalf);
    const int col = static_cast<int>((tile.col * kCluster + rank) * kCols);
    const int a_batch = problem.a_is_batched ? static_cast<int>(tile.batch) : 0;
    const int b_batch = problem.b_is_batched ? static_cast<int>(tile.batch) : 0;
    for (unsigned step = 0; step < problem.steps; ++step) {
      const unsigned full = shared.full(stage.index);
      const int at = static_cast<int>(step * K::kRowBytes);
      sm90::barrier_wait(shared.empty(stage.index), stage.parity ^ 1);
      sm90::barrier_arrive_expect(full, K::kABytes + K::kBBytes);
      sm90::tma_load_multicast(shared.a(stage.index) + rank * kHalf * K::kRowBytes, a_map, full, at,
                               row, a_batch, (1U << kCluster) - 1);
      sm90::tma_load(shared.b(stage.index), b_map, full, at, col, b_batch);
      stage.advance();
    }
  });
}

// --- the warps that bring scales ---

// Scales of a row in a stage that are not one word, a byte each; 0 behind the last.
template <unsigned kScales>
__device__ unsigned load_bytes(const Scales& scales, const std::uint8_t* data, unsigned first,
                               unsigned count) {
  const std::int64_t stride = scales.swizzled_cols != 0 ? 1 : scales.block_stride;
  unsigned bytes = 0;
#pragma unroll 1
  for (unsigned i = 0; i < kScales; ++i) {
    const unsigned byte = __ldg(data + (min(first + i, count - 1) - first) * stride);
    bytes |= first + i < count ? byte << 8 * i : 0U;
  }
  return bytes;
}

// One operand's scales in a lane: of one stage, of every kLoaderRows-th row. They wait for the
// stage in the lane's own words of shared memory, kLoaderWords apart: registers are few here.
template <class K, unsigned kRows>
__device__ void load_lane(const Scales& scales, unsigned batch, unsigned first_row, unsigned step,
                          unsigned count, unsigned waiting) {
  using Vector = std::conditional_t<K::kScales == 4, unsigned, std::uint16_t>;
  const std::uint8_t* data = scales.data + batch * scales.batch_stride;
  const unsigned first = min(step * K::kScales, (count - 1) / K::kScales * K::kScales);
  // Else the compiler keeps the places of all rows in registers, and has too few.
  asm volatile("" : "+r"(first_row));
  if (!scales.vectors) {
#pragma unroll 1
    for (unsigned i = 0; i < kRowsOfLane<kRows>; ++i) {
      const std::int64_t place = scale_place(scales, first_row + i * kLoaderRows, first);
      store_shared(waiting + i * kLoaderWords * 4,
                   {load_bytes<K::kScales>(scales, data + place, first, count)});
    }
    return;
  }
  // No branches between these loads: a branch waits for the load before it.
  unsigned bytes[kRowsOfLane<kRows>];
#pragma unroll
  for (unsigned i = 0; i < kRowsOfLane<kRows>; ++i) {
    const std::int64_t place = scale_place(scales, first_row + i * kLoaderRows, first);
    bytes[i] = __ldg(reinterpret_cast<const Vector*>(data + place));
  }
#pragma unroll
  for (unsigned i = 0; i < kRowsOfLane<kRows>; ++i) {
    store_shared(waiting + i * kLoaderWords * 4, {bytes[i]});
  }
}

template <unsigned kRows>
__device__ void store_lane(unsigned address, unsigned lane_row, unsigned waiting) {
  unsigned bytes[kRowsOfLane<kRows>][1];
#pragma unroll
  for (unsigned i = 0; i < kRowsOfLane<kRows>; ++i) {
    load_shared(bytes[i], waiting + i * kLoaderWords * 4);
  }
#pragma unroll
  for (unsigned i = 0; i < kRowsOfLane<kRows>; ++i) {
    const unsigned row = lane_row + i * kLoaderRows;
    if (row < kRows) store_shared(address + row * 4, bytes[i]);
  }
}

template <class K>
__device__ void load_tiles_scales(const Problem& problem, Shared<K> shared, unsigned warp,
                                  unsigned lane) {
  const unsigned lane_step = lane % kLaneSteps;
  const unsigned lane_row = warp * kWarpRows + lane / kLaneSteps;
  const unsigned count = problem.k / (kStep / K::kScales);
  const unsigned a = shared.waiting() + (warp * 32 + lane) * 4;
  const unsigned b = a + kRowsOfLane<K::kRows> * kLoaderWords * 4;
  sm90::Stage<K::kStages> stage;
  for_each_tile(problem, [&](Tile tile) {
    const unsigned row = tile.row * K::kRows;
    const unsigned col = (tile.col * kCluster + sm90::cluster_rank()) * kCols;
    for (unsigned step = 0; step < problem.steps; step += kLaneSteps) {
      load_lane<K, K::kRows>(problem.a, tile.batch, row + lane_row, step + lane_step, count, a);
      load_lane<K, kCols>(problem.b, tile.batch, col + lane_row, step + lane_step, count, b);
      for (unsigned j = 0; j < min(kLaneSteps, problem.steps - step); ++j) {
        sm90::barrier_wait(shared.empty(stage.index), stage.parity ^ 1);
        if (lane_step == j) {
          const unsigned scales = shared.scales(stage.index);
          store_lane<K::kRows>(scales, lane_row, a);
          store_lane<kCols>(scales + K::kRows * 4, lane_row, b);
        }
        __syncwarp();
        if (lane == 0) sm90::barrier_arrive(shared.full(stage.index));
        stage.advance();
      }
    }
  });
}

// --- the warpgroup that decodes B ---

// Codes of B lie as the copy engine swizzles rows of 32 or 64 bytes: 8 rows' chunks of 16 bytes are
// in different banks.
template <class K>
__device__ unsigned b_swizzle(unsigned row) {
  return K::kRowBytes == 64 ? (row >> 1) & 3 : (row >> 2) & 1;
}

// A row of 64 elements: 4 chunks. The two 16-byte pieces that wgmma s reads have of each chunk the
// pairs (s, 0) and (s, 1).
template <class K>
__device__ void decode_row(unsigned codes, unsigned scales, unsigned decoded, unsigned row) {
  using Chunk = typename K::ChunkB;
  unsigned words[4][Chunk::kWords];
#pragma unroll
  for (unsigned piece = 0; piece < Chunk::kWords; ++piece) {
    unsigned loaded[4];
    load_shared(loaded, codes + row * K::kRowBytes + ((piece ^ b_swizzle<K>(row)) << 4));
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      words[(piece * 4 + i) / Chunk::kWords][(piece * 4 + i) % Chunk::kWords] = loaded[i];
    }
  }
  unsigned bytes[1];
  load_shared(bytes, scales + row * 4);
  unsigned scale[K::kScales];
#pragma unroll
  for (unsigned i = 0; i < K::kScales; ++i) scale[i] = scale_pair<K::kIsNvfp4>(bytes[0], i);
#pragma unroll
  for (unsigned s = 0; s < 4; ++s) {
#pragma unroll
    for (unsigned h = 0; h < 2; ++h) {
      unsigned pairs[4];
#pragma unroll
      for (unsigned c = 0; c < 4; ++c) {
        pairs[c] = Bf16Pair::multiply(Chunk::pair(words[c], s, h), scale[c * K::kScales / 4]);
      }
      store_shared(decoded + row * 128 + ((2 * s + h ^ row % 8) << 4), pairs);
    }
  }
}

template <class K>
__device__ void decode_tiles(const Problem& problem, Shared<K> shared, unsigned thread) {
  sm90::Stage<K::kStages> stage;
  sm90::Stage<kDecodedStages> decoded;
  const unsigned lane = thread % 32;
  for_each_tile(problem, [&](Tile) {
    for (unsigned step = 0; step < problem.steps; ++step) {
      sm90::barrier_wait(shared.full(stage.index), stage.parity);
      sm90::barrier_wait(shared.free(decoded.index), decoded.parity ^ 1);
      decode_row<K>(shared.b(stage.index), shared.scales(stage.index) + K::kRows * 4,
                    shared.decoded(decoded.index), thread);
      sm90::fence_async_shared();
      __syncwarp();
      if (lane == 0) sm90::barrier_arrive(shared.ready(decoded.index));
      release_codes(shared, stage.index, lane);
      stage.advance();
      decoded.advance();
    }
  });
}

// --- the warpgroups that decode A and multiply ---

// A lane's elements of A in a stage: a chunk of rows r and r + 8 of each block of 64 rows, and the
// chunk's scale.
template <class K>
struct LaneCodes {
  unsigned words[K::kBlocks][2][K::ChunkA::kWords];
  unsigned scale[K::kBlocks][2];

  __device__ void load(unsigned codes, unsigned scales, unsigned row, unsigned c) {
#pragma unroll
    for (unsigned block = 0; block < K::kBlocks; ++block) {
#pragma unroll
      for (unsigned h = 0; h < 2; ++h) {
        const unsigned r = row + 64 * block + 8 * h;
        load_shared(words[block][h], codes + r * K::kRowBytes + c * K::ChunkA::kWords * 4);
        unsigned bytes[1];
        load_shared(bytes, scales + r * 4);
        scale[block][h] = scale_pair<K::kIsNvfp4>(bytes[0], c * K::kScales / 4);
      }
    }
  }

  // The registers of wgmma s.
  __device__ void decode(unsigned (&a)[4], unsigned block, unsigned s) const {
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      a[i] =
          Bf16Pair::multiply(K::ChunkA::pair(words[block][i % 2], s, i / 2), scale[block][i % 2]);
    }
  }
};

__device__ inline float load_bias(const Problem& problem, unsigned col) {
  if (problem.bias_dtype == DType::kF32) return static_cast<const float*>(problem.bias)[col];
  const unsigned bits = static_cast<const std::uint16_t*>(problem.bias)[col];
  return problem.bias_dtype == DType::kBF16 ? Bf16Pair::to_floats(bits).x
                                            : Fp16Pair::to_floats(bits).x;
}

// The bias of a tile's columns in fp32, in the warp's part of shared memory.
struct TileBias {
  unsigned buffer;

  __device__ void load(const Problem& problem, unsigned col, unsigned lane) const {
    __syncwarp();  // the last tile's has been read
#pragma unroll
    for (unsigned i = 0; i < kCols / 32; ++i) {
      const unsigned at = i * 32 + lane;
      const bool has = problem.bias != nullptr && col + at < problem.n;
      const float bias = has ? load_bias(problem, col + at) : 0.0F;
      store_shared(buffer + at * 4, {__float_as_uint(bias)});
    }
    __syncwarp();
  }

  // Of the columns of a lane's accumulators, 8j + 2 (lane % 4) and the next.
  __device__ float2 at(unsigned j, unsigned lane) const {
    unsigned words[2];
    load_shared(words, buffer + (8 * j + 2 * (lane % 4)) * 4);
    return {__uint_as_float(words[0]), __uint_as_float(words[1])};
  }
};

// 8 columns of a row from `col` on, 16 bytes.
__device__ inline void store_out(std::uint16_t* row, unsigned col, unsigned n,
                                 const unsigned (&words)[4]) {
  if (n % 8 == 0 && col + 8 <= n) {
    *reinterpret_cast<uint4*>(row + col) = uint4{words[0], words[1], words[2], words[3]};
    return;
  }
#pragma unroll
  for (unsigned i = 0; i < 8; ++i) {
    if (col + i < n) row[col + i] = static_cast<std::uint16_t>(words[i / 2] >> (i % 2 * 16));
  }
}

// A warp's 16 rows from accumulators of 128 columns, through shared memory, 64 columns at a time.
template <class Pair>
__device__ void write_halves(const Problem& problem, const float (&acc)[kCols / 2], float scale,
                             TileBias bias, std::uint16_t* out, unsigned row, unsigned col,
                             unsigned buffer, unsigned lane) {
#pragma unroll
  for (unsigned part = 0; part < 2; ++part) {
    __syncwarp();  // the buffer has been read
#pragma unroll
    for (unsigned j = 0; j < 8; j += 2) {
      // Matrices: rows 0-7 and 8-15, 8 columns; the same of the next 8 columns.
      unsigned values[4];
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned at = part * 8 + j + i / 2;
        const unsigned first = 4 * at + 2 * (i % 2);
        const float2 added = bias.at(at, lane);
        values[i] = Pair::from_floats(fmaf(acc[first], scale, added.x),
                                      fmaf(acc[first + 1], scale, added.y));
      }
      const unsigned r = lane % 16;
      sm90::store_matrix_x4(buffer + r * 128 + ((j + lane / 16 ^ r % 8) << 4), values);
    }
    __syncwarp();
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned r = i * 4 + lane / 8;
      unsigned words[4];
      load_shared(words, buffer + r * 128 + ((lane % 8 ^ r % 8) << 4));
      if (row + r >= problem.m) continue;
      store_out(out + static_cast<std::int64_t>(row + r) * problem.n,
                col + part * 64 + lane % 8 * 8, problem.n, words);
    }
  }
}

__device__ inline void write_floats(const Problem& problem, const float (&acc)[kCols / 2],
                                    float scale, TileBias bias, float* out, unsigned row,
                                    unsigned col, unsigned lane) {
#pragma unroll
  for (unsigned at = 0; at < kCols / 8; ++at) {
    const float2 added = bias.at(at, lane);
    const unsigned c = col + at * 8 + lane % 4 * 2;
#pragma unroll
    for (unsigned h = 0; h < 2; ++h) {
      const unsigned r = row + lane / 4 + 8 * h;
      if (r >= problem.m) continue;
      float* to = out + static_cast<std::int64_t>(r) * problem.n + c;
      const float2 values{fmaf(acc[4 * at + 2 * h], scale, added.x),
                          fmaf(acc[4 * at + 2 * h + 1], scale, added.y)};
      if (problem.n % 2 == 0 && c + 2 <= problem.n) {
        *reinterpret_cast<float2*>(to) = values;
      } else {
        if (c < problem.n) to[0] = values.x;
        if (c + 1 < problem.n) to[1] = values.y;
      }
    }
  }
}

// `row`: the warp's first of 16.
__device__ inline void write_out(const Problem& problem, const float (&acc)[kCols / 2], float scale,
                                 unsigned batch, unsigned row, unsigned col, unsigned buffer,
                                 unsigned lane) {
  const std::int64_t first = static_cast<std::int64_t>(batch) * problem.m * problem.n;
  const TileBias bias{buffer + kOutBytes};
  if (problem.out_dtype == DType::kF32) {
    write_floats(problem, acc, scale, bias, static_cast<float*>(problem.out) + first, row, col,
                 lane);
    return;
  }
  auto* out = static_cast<std::uint16_t*>(problem.out) + first;
  if (problem.out_dtype == DType::kBF16) {
    write_halves<Bf16Pair>(problem, acc, scale, bias, out, row, col, buffer, lane);
  } else {
    write_halves<Fp16Pair>(problem, acc, scale, bias, out, row, col, buffer, lane);
  }
}

template <class K>
__device__ void multiply_tiles(const Problem& problem, Shared<K> shared, unsigned consumer,
                               unsigned thread) {
  const unsigned lane = thread % 32;
  const unsigned warp_row = consumer * 64 * K::kBlocks + thread / 32 * 16;
  const unsigned rank = sm90::cluster_rank();
  float scale = 1.0F;
  if (problem.tensor_scale_a != nullptr) scale *= *problem.tensor_scale_a;
  if (problem.tensor_scale_b != nullptr) scale *= *problem.tensor_scale_b;

  sm90::Stage<K::kStages> stage;
  sm90::Stage<kDecodedStages> decoded;
  for_each_tile(problem, [&](Tile tile) {
    float acc[K::kBlocks][kCols / 2];
#pragma unroll
    for (auto& block : acc) {
#pragma unroll
      for (float& value : block) value = 0.0F;
    }

    // A warp waits where it issues a wgmma until its operand A has been read. So 16 columns are
    // decoded while the products of the 16 before run.
    LaneCodes<K> codes;
    unsigned a[2][K::kBlocks][4];
    const auto decode = [&](unsigned s) {
#pragma unroll
      for (unsigned block = 0; block < K::kBlocks; ++block) {
        codes.decode(a[s % 2][block], block, s);
      }
    };
    // Codes in registers are no longer needed in their stage.
    const auto take_stage = [&] {
      sm90::barrier_wait(shared.full(stage.index), stage.parity);
      codes.load(shared.a(stage.index), shared.scales(stage.index), warp_row + lane / 4, lane % 4);
      decode(0);
      __syncwarp();
      release_codes(shared, stage.index, lane);
      stage.advance();
    };
    if (problem.steps > 0) take_stage();
    unsigned previous = 0;
    for (unsigned step = 0; step < problem.steps; ++step) {
      const std::uint64_t b = sm90::descriptor_128b(shared.decoded(decoded.index));
      sm90::barrier_wait(shared.ready(decoded.index), decoded.parity);
#pragma unroll
      for (unsigned s = 0; s < 4; ++s) {
        sm90::wgmma_fence();
#pragma unroll
        for (unsigned block = 0; block < K::kBlocks; ++block) {
          sm90::wgmma(sm90::Bf16Bf16{}, acc[block], a[s % 2][block], b + 2 * s, true);
        }
        sm90::wgmma_commit();
        sm90::wgmma_wait<1>();
        if (s == 0 && step > 0 && lane == 0) sm90::barrier_arrive(shared.free(previous));
        if (s < 3) {
          decode(s + 1);
        } else if (step + 1 < problem.steps) {
          take_stage();
        }
      }
      previous = decoded.index;
      decoded.advance();
    }
    sm90::wgmma_wait<0>();
#pragma unroll
    for (auto& block : acc) sm90::pin_accumulators(block);
    if (problem.steps > 0 && lane == 0) sm90::barrier_arrive(shared.free(previous));

    const unsigned col = (tile.col * kCluster + rank) * kCols;
    const unsigned buffer = shared.out(consumer * 4 + thread / 32);
    TileBias{buffer + kOutBytes}.load(problem, col, lane);
#pragma unroll
    for (unsigned block = 0; block < K::kBlocks; ++block) {
      const unsigned row = tile.row * K::kRows + warp_row + block * 64;
      write_out(problem, acc[block], scale, tile.batch, row, col, buffer, lane);
    }
  });
}

template <class K>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(kThreads, 1)
    multiply_blocks(const __grid_constant__ Problem problem,
                    const __grid_constant__ CUtensorMap a_map,
                    const __grid_constant__ CUtensorMap b_map) {
  extern __shared__ std::uint8_t memory[];
  const Shared<K> shared{(sm90::shared_address(memory) + 1023) & ~1023U};
  const unsigned warpgroup = threadIdx.x / kWarpgroup;
  const unsigned thread = threadIdx.x % kWarpgroup;
  if (threadIdx.x == 0) {
    for (unsigned stage = 0; stage < K::kStages; ++stage) {
      sm90::barrier_init(shared.full(stage), 1 + kLoaderWarps);
      sm90::barrier_init(shared.empty(stage), kCluster * (kConsumers + 1) * 4);
    }
    for (unsigned stage = 0; stage < kDecodedStages; ++stage) {
      sm90::barrier_init(shared.ready(stage), 4);
      sm90::barrier_init(shared.free(stage), kConsumers * 4);
    }
    sm90::barrier_init_fence();
  }
  sm90::cluster_sync();

  if (warpgroup < kConsumers) {
    sm90::registers_increase<kConsumerRegisters>();
    multiply_tiles<K>(problem, shared, warpgroup, thread);
  } else if (warpgroup == kConsumers) {
    sm90::registers_decrease<kDecoderRegisters>();
    decode_tiles<K>(problem, shared, thread);
  } else {
    sm90::registers_decrease<kProducerRegisters>();
    if (thread / 32 == 0) {
      if (sm90::elect_one()) copy_tiles<K>(problem, &a_map, &b_map, shared);
    } else {
      load_tiles_scales<K>(problem, shared, thread / 32 - 1, thread % 32);
    }
  }
  sm90::cluster_sync();  // the other block may still tell this one that a stage is free
}

}  // namespace
}  // namespace lowp::kernels::blocks
