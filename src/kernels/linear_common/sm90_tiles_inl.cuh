// out^T = W x^T on Hopper: W decoded in registers, which are the wgmma's operand A; x, brought by
// the copy engine, is B. A block makes 128 columns of out for kTokens rows, a cluster of two blocks
// shares x: each loads half of its tile for both.
//
// Of three warpgroups two decode and multiply, 64 rows of W each; the decoding of 64 columns hides
// behind the products of the 64 before. In the third, one warp issues the copies and three write
// scales (and codes, where their rows are not aligned) to shared memory.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/linear_common/cuda_linear.h"
#include "kernels/linear_common/sm90_tiles_scales_inl.cuh"
#include "kernels/runtime/sm90_tensor_map.h"
#include "kernels/runtime/sm90_tma_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

using sm90::kWarpgroup;

constexpr unsigned kRows = 128;   // of W, in a block
constexpr unsigned kStep = 64;    // columns of W and x in a stage
constexpr unsigned kCluster = 2;  // blocks
constexpr unsigned kConsumers = 2;
constexpr unsigned kThreads = (kConsumers + 1) * kWarpgroup;
constexpr unsigned kLoaderWarps = 3;
// Of 168 that each thread has at the launch: what some give up is all that others can get.
constexpr unsigned kConsumerRegisters = 208;
constexpr unsigned kProducerRegisters = 88;
static_assert(kConsumers * kConsumerRegisters + kProducerRegisters <= (kConsumers + 1) * 168);
constexpr unsigned kOutTokens = 64;  // of out, transposed in shared memory at a time
constexpr unsigned kOutBytes = kOutTokens * 128;
constexpr unsigned kGroupTokens = 8;  // tiles of x that consecutive clusters share rows of W in

// What one instance is made for.
template <CudaWeightFormat kFormat_, class Codes_, class Pair_, Scaling kScaling_,
          unsigned kTokens_>
struct Kind {
  static constexpr CudaWeightFormat kFormat = kFormat_;
  using Codes = Codes_;
  using Pair = Pair_;
  static constexpr Scaling kScaling = kScaling_;
  static constexpr unsigned kTokens = kTokens_;

  static constexpr bool kHasByteScales = kFormat == CudaWeightFormat::kMxfp8 ||
                                         kFormat == CudaWeightFormat::kMxfp4 ||
                                         kFormat == CudaWeightFormat::kNvfp4;
  static constexpr unsigned kWords = kWordsOfScale<kScaling>;
  static constexpr unsigned kBlocks =  // of columns with a scale of their own, in a stage
      kScaling == Scaling::kRow ? 0 : (kFormat == CudaWeightFormat::kNvfp4 ? 4 : 2);
  static constexpr unsigned kRowWords = kBlocks * kWords;  // of scales, a row
  static constexpr unsigned kCodeRowBytes = kStep * Codes::kBits / 8;

  // A stage: x (kTokens, 64) in 128-byte swizzle, codes (128, 32 or 64 bytes), scales.
  static constexpr unsigned kXBytes = kTokens * kStep * 2;
  static constexpr unsigned kCodeBytes = kRows * kCodeRowBytes;
  static constexpr unsigned kScaleBytes = kRows * kRowWords * 4;
  static constexpr unsigned kStageBytes = kXBytes + kCodeBytes + kScaleBytes;
  static constexpr unsigned kStages = std::min(8U, 208U * 1024 / kStageBytes);
  static constexpr unsigned kBarriersAt = kStages * kStageBytes + kConsumers * kOutBytes;
  static constexpr unsigned kSharedBytes = kBarriersAt + 2 * kStages * 8 + 1024;  // 1024: alignment
};

struct Problem {
  CudaWeight weight;
  const void* bias;
  void* out;
  unsigned m;
  unsigned n;
  unsigned k;
  unsigned scale_cols;
  unsigned steps;
  unsigned token_tiles;
  unsigned row_tiles;  // of kCluster * kRows
  bool codes_by_copy;
  bool vector_scales;  // those of a stage are one aligned word
  bool vector_out;
};

struct Tile {
  unsigned token;  // the first
  unsigned row;
};

// Clusters that run together have few tiles of x and of W between them, so both stay in the L2.
__device__ inline Tile tile_at(const Problem& problem, unsigned index) {
  const unsigned of_group = kGroupTokens * problem.row_tiles;
  const unsigned group = index / of_group;
  const unsigned first = group * kGroupTokens;
  const unsigned tokens = min(kGroupTokens, problem.token_tiles - first);
  const unsigned inside = index - group * of_group;
  return {first + inside % tokens, inside / tokens};
}

template <class K>
struct Shared {
  unsigned base;

  __device__ unsigned x(unsigned stage) const { return base + stage * K::kStageBytes; }
  __device__ unsigned codes(unsigned stage) const { return x(stage) + K::kXBytes; }
  __device__ unsigned scales(unsigned stage) const { return codes(stage) + K::kCodeBytes; }
  __device__ unsigned out(unsigned consumer) const {
    return base + K::kStages * K::kStageBytes + consumer * kOutBytes;
  }
  __device__ unsigned full(unsigned stage) const { return base + K::kBarriersAt + stage * 8; }
  __device__ unsigned empty(unsigned stage) const { return full(K::kStages + stage); }
};

__device__ inline uint4 load_shared_16(unsigned address) {
  uint4 v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address));
  return v;
}
__device__ inline void store_shared_byte(unsigned address, unsigned value) {
  asm volatile("st.shared.u8 [%0], %1;" ::"r"(address), "r"(value) : "memory");
}

template <std::size_t kCount>
__device__ void store_shared_words(unsigned address, const unsigned (&words)[kCount]) {
  static_assert(kCount == 2 || kCount == 4);
  if constexpr (kCount == 2) {
    asm volatile("st.shared.v2.u32 [%0], {%1, %2};" ::"r"(address), "r"(words[0]), "r"(words[1])
                 : "memory");
  } else {
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(words[0]),
                 "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
  }
}

template <unsigned kCount>
__device__ void load_shared_words(unsigned (&words)[kCount], unsigned address) {
  static_assert(kCount == 2 || kCount == 4);
  if constexpr (kCount == 2) {
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];"
                 : "=r"(words[0]), "=r"(words[1])
                 : "r"(address));
  } else {
    const uint4 v = load_shared_16(address);
    words[0] = v.x, words[1] = v.y, words[2] = v.z, words[3] = v.w;
  }
}

// Where byte `byte` of a row of codes lies: rows of 64 bytes are in the copy engine's 64-byte
// swizzle, so that 8 rows' chunks of 16 bytes are in different banks.
template <class K>
__device__ unsigned code_offset(unsigned row, unsigned byte) {
  if constexpr (K::kCodeRowBytes == 64) return row * 64 + (byte ^ ((row >> 1) & 3) << 4);
  return row * 32 + byte;
}

// --- the warp that issues copies ---

template <class K>
__device__ void copy_tiles(const Problem& problem, const CUtensorMap* x_map,
                           const CUtensorMap* code_map, Shared<K> shared) {
  const unsigned rank = sm90::cluster_rank();
  constexpr unsigned kHalf = K::kTokens / kCluster;
  const unsigned bytes = K::kXBytes + (problem.codes_by_copy ? K::kCodeBytes : 0);
  sm90::Stage<K::kStages> stage;
  const unsigned tiles = problem.token_tiles * problem.row_tiles;
  for (unsigned i = blockIdx.x / kCluster; i < tiles; i += gridDim.x / kCluster) {
    const Tile tile = tile_at(problem, i);
    const int token = static_cast<int>(tile.token * K::kTokens + rank * kHalf);
    const int row = static_cast<int>((tile.row * kCluster + rank) * kRows);
    for (unsigned step = 0; step < problem.steps; ++step) {
      const unsigned full = shared.full(stage.index);
      sm90::barrier_wait(shared.empty(stage.index), stage.parity ^ 1);
      sm90::barrier_arrive_expect(full, bytes);
      sm90::tma_load_multicast(shared.x(stage.index) + rank * kHalf * 128, x_map, full,
                               static_cast<int>(step * kStep), token, (1U << kCluster) - 1);
      if (problem.codes_by_copy) {
        sm90::tma_load(shared.codes(stage.index), code_map, full,
                       static_cast<int>(step * K::kCodeRowBytes), row);
      }
      stage.advance();
    }
  }
}

// --- the warps that load scales ---

// The warps take turns at the stages; a lane has the scales of every 32nd row.
constexpr unsigned kRowsOfLane = kRows / 32;

// The place of the first scale of a row of W.
__device__ inline unsigned first_scale(const Problem& problem, unsigned row) {
  const auto group_rows = static_cast<unsigned>(problem.weight.group_rows);
  row = min(row, problem.n - 1);
  return (group_rows == 1 ? row : row / group_rows) * problem.scale_cols;
}

// What a lane loads for its rows, a value for each block of columns with a scale: first as it is in
// device memory, asked for while the values of the warp's stage before are on their way to shared
// memory. The loops that load have no branches inside: a branch waits for the load before it.
template <class K>
struct LaneScales {
  static constexpr unsigned kBlocks = std::max(1U, K::kBlocks);  // none: not used
  static constexpr bool kHasSecond = K::kWords == 2;             // a zero or zero point
  unsigned first[kRowsOfLane];                                   // places of the rows' first scales
  unsigned scale[kRowsOfLane][kBlocks];
  unsigned second[kHasSecond ? kRowsOfLane : 1][kBlocks];
  unsigned words[kRowsOfLane][std::max(1U, K::kRowWords)];  // as the decoding warps read them

  // The places of values of T behind `at` of each row.
  template <class T>
  __device__ void load(const void* data, const unsigned (&at)[kBlocks],
                       unsigned (&raw)[kRowsOfLane][kBlocks]) const {
#pragma unroll
    for (unsigned row = 0; row < kRowsOfLane; ++row) {
#pragma unroll
      for (unsigned block = 0; block < kBlocks; ++block) {
        raw[row][block] =
            static_cast<unsigned>(__ldg(static_cast<const T*>(data) + (first[row] + at[block])));
      }
    }
  }

  // Of the stage that begins with `column`.
  __device__ void load_stage(const Problem& problem, unsigned column) {
    unsigned at[kBlocks];
#pragma unroll
    for (unsigned block = 0; block < kBlocks; ++block) {
      const unsigned k = min(column + block * (kStep / kBlocks), problem.k - 1);
      at[block] = k / static_cast<unsigned>(problem.weight.group_cols);
    }
    if constexpr (K::kHasByteScales) {
      load_bytes(problem, at);
    } else {
      load_groups(problem, at);
    }
  }

  // Scales of a byte: those of a stage in one load where they are aligned.
  __device__ void load_bytes(const Problem& problem, const unsigned (&at)[kBlocks]) {
    using Vector = std::conditional_t<kBlocks == 4, unsigned, std::uint16_t>;
    const auto* data = static_cast<const std::uint8_t*>(problem.weight.scale);
    if (problem.vector_scales) {
      const unsigned place = min(at[0], problem.scale_cols - kBlocks);
#pragma unroll
      for (unsigned row = 0; row < kRowsOfLane; ++row) {
        scale[row][0] = __ldg(reinterpret_cast<const Vector*>(data + (first[row] + place)));
      }
    } else {
      load<std::uint8_t>(data, at, scale);
    }
  }

  // Scales of groups, and their zero points or zeros.
  __device__ void load_groups(const Problem& problem, const unsigned (&at)[kBlocks]) {
    const CudaWeight& weight = problem.weight;
    const auto load_parameters = [&](const void* data, auto& raw) {
      if (weight.scale_dtype == DType::kBF16) {
        load<std::uint16_t>(data, at, raw);
      } else {
        load<unsigned>(data, at, raw);
      }
    };
    load_parameters(weight.scale, scale);
    if constexpr (kHasSecond) {
      if (weight.zero != nullptr) load_parameters(weight.zero, second);
      if (weight.zero_point != nullptr) load<std::int8_t>(weight.zero_point, at, second);
    }
  }

  // To words; behind the last column x is 0, and so is the scale.
  __device__ void convert_stage(const Problem& problem, unsigned column) {
    if constexpr (K::kHasByteScales) {
      convert_bytes(problem);
    } else {
      convert_groups(problem.weight);
    }
#pragma unroll
    for (unsigned block = 0; block < kBlocks; ++block) {
      if (column + block * (kStep / kBlocks) < problem.k) continue;
#pragma unroll
      for (auto& row : words) {
#pragma unroll
        for (unsigned i = 0; i < K::kWords; ++i) row[block * K::kWords + i] = 0;
      }
    }
  }

  __device__ void convert_bytes(const Problem& problem) {
#pragma unroll
    for (unsigned row = 0; row < kRowsOfLane; ++row) {
#pragma unroll
      for (unsigned i = 0; i < kBlocks; ++i) {
        const unsigned code =
            problem.vector_scales ? scale[row][0] >> 8 * i & 0xFFU : scale[row][i];
        words[row][i] = decode_scale<K::kFormat, typename K::Pair, K::kScaling>(code);
      }
    }
  }

  __device__ void convert_groups(const CudaWeight& weight) {
    const bool is_bf16 = weight.scale_dtype == DType::kBF16;
    const auto to_float = [&](unsigned raw) { return __uint_as_float(is_bf16 ? raw << 16 : raw); };
    const auto to_word = [](float value) {
      constexpr bool kIsPair = K::kScaling == Scaling::kPair || K::kScaling == Scaling::kPairZero;
      return kIsPair ? K::Pair::from_floats(value, value) : __float_as_uint(value);
    };
#pragma unroll
    for (unsigned row = 0; row < kRowsOfLane; ++row) {
#pragma unroll
      for (unsigned i = 0; i < kBlocks; ++i) {
        words[row][i * K::kWords] = to_word(to_float(scale[row][i]));
        if constexpr (kHasSecond) {
          // Subtracting the zero point is adding its negative; without either both are 0.
          const float value = weight.zero_point != nullptr
                                  ? -static_cast<float>(static_cast<int>(second[row][i]))
                                  : to_float(second[row][i]);
          words[row][i * K::kWords + 1] = to_word(value);
        }
      }
    }
  }

  __device__ void store(unsigned scales, unsigned lane) const {
#pragma unroll
    for (unsigned row = 0; row < kRowsOfLane; ++row) {
      store_shared_words(scales + (lane + row * 32) * K::kRowWords * 4, words[row]);
    }
  }
};

// Codes that the copy engine does not take, a byte at a time.
template <class K>
__device__ void load_codes(const Problem& problem, unsigned codes, unsigned first_row,
                           unsigned step, unsigned lane) {
  const auto* data = static_cast<const std::uint8_t*>(problem.weight.codes);
  const unsigned row_bytes = problem.k * K::Codes::kBits / 8;
  for (unsigned at = lane; at < K::kCodeBytes; at += 32) {
    const unsigned row = at / K::kCodeRowBytes;
    const unsigned byte = at % K::kCodeRowBytes;
    const unsigned from = step * K::kCodeRowBytes + byte;
    const bool inside = first_row + row < problem.n && from < row_bytes;
    const std::int64_t source = static_cast<std::int64_t>(first_row + row) * row_bytes + from;
    store_shared_byte(codes + code_offset<K>(row, byte), inside ? __ldg(data + source) : 0U);
  }
}

template <class K>
__device__ void load_scales(const Problem& problem, Shared<K> shared, unsigned warp,
                            unsigned lane) {
  sm90::Stage<K::kStages> tile_stage;
  const unsigned tiles = problem.token_tiles * problem.row_tiles;
  for (unsigned i = blockIdx.x / kCluster; i < tiles; i += gridDim.x / kCluster) {
    const unsigned first_row = (tile_at(problem, i).row * kCluster + sm90::cluster_rank()) * kRows;
    [[maybe_unused]] LaneScales<K> lane_scales{};
    if constexpr (K::kRowWords > 0) {
#pragma unroll
      for (unsigned row = 0; row < kRowsOfLane; ++row) {
        lane_scales.first[row] = first_scale(problem, first_row + lane + row * 32);
      }
      lane_scales.load_stage(problem, warp * kStep);
    }
    auto stage = tile_stage;
    stage.skip(warp);
    for (unsigned step = warp; step < problem.steps; step += kLoaderWarps) {
      if constexpr (K::kRowWords > 0) {
        lane_scales.convert_stage(problem, step * kStep);
        lane_scales.load_stage(problem, (step + kLoaderWarps) * kStep);
      }
      sm90::barrier_wait(shared.empty(stage.index), stage.parity ^ 1);
      if constexpr (K::kRowWords > 0) lane_scales.store(shared.scales(stage.index), lane);
      if (!problem.codes_by_copy) {
        load_codes<K>(problem, shared.codes(stage.index), first_row, step, lane);
      }
      __syncwarp();
      if (lane == 0) sm90::barrier_arrive(shared.full(stage.index));
      stage.skip(kLoaderWarps);
    }
    tile_stage.skip(problem.steps);
  }
}

// --- the warpgroups that decode and multiply ---

// Operand A of four wgmma, 64 rows and 64 columns: [16 columns][register].
struct Fragment {
  unsigned a[4][4];
};

// `row`: this lane's first of two, 8 apart.
template <class K>
__device__ void decode(Fragment& fragment, unsigned codes, unsigned scales, unsigned row,
                       unsigned c, bool zero_is_float) {
  using Codes = typename K::Codes;
  using Pair = typename K::Pair;
#pragma unroll
  for (unsigned h = 0; h < 2; ++h) {
    const unsigned r = row + 8 * h;
    unsigned words[std::max(2U, K::kRowWords)] = {};
    if constexpr (K::kRowWords > 0) load_shared_words(words, scales + r * K::kRowWords * 4);
    const auto scaled = [&](unsigned pair, unsigned step) {
      return apply_scale<Pair, K::kScaling>(pair, words + step * K::kBlocks / 4 * K::kWords,
                                            zero_is_float);
    };
    if constexpr (Codes::kBits == 4) {
#pragma unroll
      for (unsigned s = 0; s < 4; s += 2) {
        const uint4 v = load_shared_16(codes + code_offset<K>(r, s * 8));
        fragment.a[s][h] = scaled(Codes::template pair<Pair>(v.x, c), s);
        fragment.a[s][2 + h] = scaled(Codes::template pair<Pair>(v.y, c), s);
        fragment.a[s + 1][h] = scaled(Codes::template pair<Pair>(v.z, c), s + 1);
        fragment.a[s + 1][2 + h] = scaled(Codes::template pair<Pair>(v.w, c), s + 1);
      }
    } else {
#pragma unroll
      for (unsigned s = 0; s < 4; ++s) {
        const uint4 v = load_shared_16(codes + code_offset<K>(r, s * 16));
        fragment.a[s][h] = scaled(Codes::template pair<Pair>(v.x, v.y, c), s);
        fragment.a[s][2 + h] = scaled(Codes::template pair<Pair>(v.z, v.w, c), s);
      }
    }
  }
}

// Scale and bias of a lane's two rows of W.
struct RowFactors {
  float scale[2];
  float bias[2];
};

template <class K>
__device__ float load_bias(const Problem& problem, unsigned row) {
  if (problem.bias == nullptr) return 0.0F;
  const unsigned bits = static_cast<const std::uint16_t*>(problem.bias)[row];
  return K::Pair::to_floats(bits).x;
}

template <class K>
__device__ RowFactors load_row_factors(const Problem& problem, unsigned row) {
  RowFactors factors{};
#pragma unroll
  for (unsigned h = 0; h < 2; ++h) {
    const unsigned r = min(row + 8 * h, problem.n - 1);
    factors.scale[h] = 1.0F;
    if constexpr (K::kScaling == Scaling::kRow) {
      factors.scale[h] = static_cast<const float*>(
          problem.weight.scale)[r / static_cast<unsigned>(problem.weight.group_rows)];
    } else if constexpr (K::kFormat == CudaWeightFormat::kNvfp4) {
      factors.scale[h] = *problem.weight.tensor_scale;
    }
    factors.bias[h] = load_bias<K>(problem, r);
  }
  return factors;
}

// As store_matrix_x4, each matrix transposed: a lane's address is that of a column.
__device__ inline void store_matrix_x4_transposed(unsigned address, const unsigned (&values)[4]) {
  asm volatile(
      "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address),
      "r"(values[0]), "r"(values[1]), "r"(values[2]), "r"(values[3])
      : "memory");
}

// 16 bytes of out from shared memory; 8 columns of it from `column` on.
__device__ inline void store_out(const Problem& problem, unsigned token, unsigned column,
                                 uint4 value) {
  if (token >= problem.m || column >= problem.n) return;
  auto* out = static_cast<std::uint16_t*>(problem.out) +
              static_cast<std::int64_t>(token) * problem.n + column;
  if (problem.vector_out && column + 8 <= problem.n) {
    *reinterpret_cast<uint4*>(out) = value;
    return;
  }
  const unsigned words[4] = {value.x, value.y, value.z, value.w};
#pragma unroll
  for (unsigned i = 0; i < 8; ++i) {
    if (column + i < problem.n) {
      out[i] = static_cast<std::uint16_t>(words[i / 2] >> (i % 2 * 16));
    }
  }
}

// acc is out^T: transposed through shared memory, 64 tokens of 64 columns at a time. Chunks of 16
// bytes of token t lie at chunk ^ (t % 8).
template <class K>
__device__ void write_out(const Problem& problem, const float (&acc)[K::kTokens / 2],
                          unsigned first_token, unsigned first_row, unsigned buffer,
                          unsigned consumer, unsigned thread) {
  const unsigned warp = thread / 32;
  const unsigned lane = thread % 32;
  const RowFactors factors = load_row_factors<K>(problem, first_row + warp * 16 + lane / 4);
#pragma unroll
  for (unsigned part = 0; part < K::kTokens / kOutTokens; ++part) {
    sm90::named_barrier_sync(1 + consumer, kWarpgroup);  // the buffer has been read
#pragma unroll
    for (unsigned j = 0; j < kOutTokens / 8; j += 2) {
      // Matrices: rows 0-7 and 8-15 of the warp's 16, tokens 8j on, then the same of 8j + 8 on.
      unsigned values[4];
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned h = i % 2;
        const unsigned at = 4 * (part * kOutTokens / 8 + j + i / 2) + 2 * h;
        values[i] = K::Pair::from_floats(fmaf(acc[at], factors.scale[h], factors.bias[h]),
                                         fmaf(acc[at + 1], factors.scale[h], factors.bias[h]));
      }
      const unsigned token = 8 * (j + lane / 16) + lane % 8;
      const unsigned chunk = warp * 2 + lane / 8 % 2;
      store_matrix_x4_transposed(buffer + token * 128 + ((chunk ^ token % 8) << 4), values);
    }
    sm90::named_barrier_sync(1 + consumer, kWarpgroup);
#pragma unroll
    for (unsigned i = 0; i < kOutBytes / 16 / kWarpgroup; ++i) {
      const unsigned token = i * (kWarpgroup / 8) + thread / 8;
      const unsigned chunk = thread % 8;
      const uint4 value = load_shared_16(buffer + token * 128 + ((chunk ^ token % 8) << 4));
      store_out(problem, first_token + part * kOutTokens + token, first_row + chunk * 8, value);
    }
  }
}

template <class K>
__device__ void multiply_tiles(const Problem& problem, Shared<K> shared, unsigned consumer,
                               unsigned thread) {
  using Operands = typename K::Pair::Operands;
  const unsigned lane = thread % 32;
  const unsigned row = consumer * 64 + thread / 32 * 16 + lane / 4;
  const unsigned c = lane % 4;
  const bool zero_is_float = problem.weight.zero != nullptr;
  const unsigned rank = sm90::cluster_rank();
  sm90::Stage<K::kStages> stage;
  unsigned previous = 0;
  Fragment fragments[2];

  // Both blocks' copies write to a stage, so each warp tells both that it is free.
  const auto release = [&](unsigned index) {
    if (lane < kCluster) {
      sm90::barrier_arrive_remote(sm90::map_to_block(shared.empty(index), lane));
    }
  };

  const unsigned tiles = problem.token_tiles * problem.row_tiles;
  for (unsigned i = blockIdx.x / kCluster; i < tiles; i += gridDim.x / kCluster) {
    float acc[K::kTokens / 2];
#pragma unroll
    for (float& value : acc) value = 0.0F;

    const auto run_step = [&](unsigned step, Fragment& fragment) {
      sm90::barrier_wait(shared.full(stage.index), stage.parity);
      decode<K>(fragment, shared.codes(stage.index), shared.scales(stage.index), row, c,
                zero_is_float);
      const std::uint64_t x = sm90::descriptor_128b(shared.x(stage.index));
      sm90::wgmma_fence();
#pragma unroll
      for (unsigned s = 0; s < 4; ++s) sm90::wgmma(Operands{}, acc, fragment.a[s], x + 2 * s, true);
      sm90::wgmma_commit();
      sm90::wgmma_wait<1>();
      if (step > 0) release(previous);
      previous = stage.index;
      stage.advance();
    };
    unsigned step = 0;
    for (; step + 1 < problem.steps; step += 2) {
      run_step(step, fragments[0]);
      run_step(step + 1, fragments[1]);
    }
    if (step < problem.steps) run_step(step, fragments[0]);
    sm90::wgmma_wait<0>();
    sm90::pin_accumulators(acc);
    if (problem.steps > 0) release(previous);

    const Tile tile = tile_at(problem, i);
    write_out<K>(problem, acc, tile.token * K::kTokens,
                 (tile.row * kCluster + rank) * kRows + consumer * 64, shared.out(consumer),
                 consumer, thread);
  }
}

template <class K>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(kThreads, 1)
    linear_tiles(const __grid_constant__ Problem problem, const __grid_constant__ CUtensorMap x_map,
                 const __grid_constant__ CUtensorMap code_map) {
  extern __shared__ std::uint8_t memory[];
  const Shared<K> shared{(sm90::shared_address(memory) + 1023) & ~1023U};
  const unsigned warpgroup = threadIdx.x / kWarpgroup;
  const unsigned warp = threadIdx.x % kWarpgroup / 32;
  const bool has_loaders = K::kRowWords > 0 || !problem.codes_by_copy;
  if (threadIdx.x == 0) {
    for (unsigned stage = 0; stage < K::kStages; ++stage) {
      sm90::barrier_init(shared.full(stage), has_loaders ? 2 : 1);
      sm90::barrier_init(shared.empty(stage), kCluster * kConsumers * 4);
    }
    sm90::barrier_init_fence();
  }
  sm90::cluster_sync();

  if (warpgroup == kConsumers) {
    sm90::registers_decrease<kProducerRegisters>();
    if (warp == 0 && sm90::elect_one()) {
      copy_tiles<K>(problem, &x_map, &code_map, shared);
    } else if (warp > 0 && has_loaders) {
      load_scales<K>(problem, shared, warp - 1, threadIdx.x % 32);
    }
    __syncwarp();  // the barrier below is one of whole warps
  } else {
    sm90::registers_increase<kConsumerRegisters>();
    multiply_tiles<K>(problem, shared, warpgroup, threadIdx.x % kWarpgroup);
  }
  sm90::cluster_sync();  // the other block may still tell this one that a stage is free
}

}  // namespace
}  // namespace lowp::kernels::tiles
