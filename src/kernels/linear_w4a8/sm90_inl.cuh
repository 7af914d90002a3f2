// out^T = W x^T on Hopper with 8-bit operands: nibbles of W become int8 or e4m3 in registers, which
// are the wgmma's operand A; x, brought by the copy engine, is B. A block makes 128 columns of out
// for kTokens rows, a warpgroup 64 of them. After each unit of columns, which lies in one group,
// the products are added to fp32 sums, times the group's scale, while the other warpgroup
// multiplies.
//
// Many rows: persistent blocks. Few rows: a block a tile, and a cluster of blocks divides K; their
// sums meet in shared memory, in the order of the blocks, so that equal inputs give equal bits.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "kernels/linear_w4a8/sm90.h"
#include "kernels/runtime/sm90_tensor_map.h"
#include "kernels/runtime/sm90_tma_inl.cuh"
#include "kernels/runtime/sm90_wgmma_inl.cuh"

namespace lowp::kernels::w4a8 {
namespace {

using sm90::kWarpgroup;

constexpr unsigned kRows = 128;  // of W, in a block
constexpr unsigned kStep = 128;  // columns of W and x in a stage
constexpr unsigned kConsumers = 2;
constexpr unsigned kWorkers = kConsumers * kWarpgroup;  // threads that multiply
// Of 168 that each thread of three warpgroups has at the launch.
constexpr unsigned kConsumerRegisters = 240;
constexpr unsigned kProducerRegisters = 24;
constexpr unsigned kCodeBytes = kRows * kStep / 2;
constexpr unsigned kOutTokens = 32;        // of a warpgroup's tile, transposed at a time
constexpr unsigned kOutPitch = 64 + 4;     // fp32; no bank conflicts
constexpr unsigned kFewPitch = kRows + 4;  // the same, of a block's tile
constexpr unsigned kGroupTokens = 8;       // tiles of x that share rows of W in the L2
constexpr unsigned kMaxSplit = 8;          // blocks that divide K

__device__ inline unsigned permute(unsigned low, unsigned high, unsigned selector) {
  unsigned bytes;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(bytes) : "r"(low), "r"(high), "r"(selector));
  return bytes;
}

// Four nibbles in 16 bits to four operands, times 1 / kFactor where there are no zero points.
struct Int8 {
  using Operands = sm90::S8S8;
  using Part = std::int32_t;
  static constexpr float kFactor = 0x1p-4F;  // a nibble in the high bits needs no sign extension

  __device__ static unsigned decode(unsigned nibbles) {
    return permute(nibbles << 4, nibbles, 0x5140) & 0xF0F0F0F0U;
  }
  // code - zero_point, given zero_point_bytes(): codes are 0x88 more, so that no byte borrows.
  __device__ static unsigned decode(unsigned nibbles, unsigned zero_points) {
    const unsigned codes = permute(nibbles, nibbles >> 4, 0x5140) & 0x0F0F0F0FU;
    return ((codes ^ 0x88888888U) - zero_points) ^ 0x80808080U;
  }
};

// zero_point + 8, of a row of W, four times.
__device__ inline unsigned zero_point_bytes(int zero_point) {
  return static_cast<unsigned>(zero_point + 8) * 0x01010101U;
}

struct E4m3 {
  using Operands = sm90::E4m3E4m3;
  using Part = float;
  static constexpr float kFactor = 1.0F;

  // By the low three bits from the tables of 0..7 and of -8..-1; the sign, replicated, selects.
  __device__ static unsigned decode(unsigned nibbles) {
    const unsigned low = nibbles & 0x7777U;
    const unsigned positive = permute(0x44403800U, 0x4E4C4A48U, low);
    const unsigned negative = permute(0xCACCCED0U, 0xB8C0C4C8U, low);
    const unsigned sign = permute(nibbles << 4, nibbles, 0xD9C8);
    return (positive & ~sign) | (negative & sign);
  }
};

// What one instance is made for. kUnit: columns between two additions to the sums. kShifts: zero
// points, which decoding subtracts, or zeros, times the sums of x.
template <class Codes_, unsigned kTokens_, unsigned kUnit_, bool kShifts_, bool kFew_>
struct Kind {
  using Codes = Codes_;
  using Part = typename Codes::Part;
  static constexpr unsigned kTokens = kTokens_;
  static constexpr unsigned kUnit = kUnit_;
  static constexpr bool kShifts = kShifts_;
  static constexpr bool kFew = kFew_;
  static constexpr float kFactor = kShifts ? 1.0F : Codes::kFactor;  // codes are as many times it
  static constexpr unsigned kUnits = kStep / kUnit;                  // of a stage
  static constexpr bool kSmall = kFew && kTokens <= 16;
  static constexpr unsigned kBlocksAMultiprocessor = kSmall ? 2 : 1;
  // The warp that issues copies is one of a warpgroup where that has registers to give.
  static constexpr unsigned kThreads = kWorkers + (kSmall ? 32 : kWarpgroup);

  static constexpr unsigned kXBytes = kTokens * kStep;
  static constexpr unsigned kStageBytes = kXBytes + kCodeBytes;
  static constexpr unsigned kOutBytes = kFew ? 0 : kConsumers * kOutTokens * kOutPitch * 4;
  static constexpr unsigned kRoom = (kBlocksAMultiprocessor == 2 ? 110U : 220U) * 1024;
  static constexpr unsigned kStages = (kRoom - kOutBytes) / (kStageBytes + 16);
  static constexpr unsigned kOutAt = kStages * kStageBytes;
  static constexpr unsigned kBarriersAt = kOutAt + kOutBytes;
  static constexpr unsigned kSharedBytes = kBarriersAt + kStages * 16 + 1024;  // 1024: alignment
  static_assert(!kFew || kTokens * kFewPitch * 4 <= kOutAt);
};

struct Problem {
  LinearW4A8Sm90Args args;
  unsigned m;
  unsigned n;
  unsigned steps;        // of kStep columns
  unsigned groups;       // of a row of W
  unsigned group_units;  // units of a group
  unsigned x_sums_pitch;
  unsigned token_tiles;
  unsigned row_tiles;
  unsigned split;  // blocks that divide K
  bool vector_out;
};

struct Tile {
  unsigned token;  // the first
  unsigned row;
};

// Blocks that run together have few tiles of x and of W between them, so both stay in the L2.
template <class K>
__device__ Tile tile_at(const Problem& problem, unsigned index) {
  const unsigned of_group = kGroupTokens * problem.row_tiles;
  const unsigned group = index / of_group;
  const unsigned first = group * kGroupTokens;
  const unsigned tokens = min(kGroupTokens, problem.token_tiles - first);
  const unsigned inside = index - group * of_group;
  return {(first + inside % tokens) * K::kTokens, inside / tokens * kRows};
}

struct Steps {
  unsigned begin;
  unsigned end;
};
__device__ inline Steps steps_of_block(const Problem& problem) {
  const unsigned rank = blockIdx.x % problem.split;
  return {problem.steps * rank / problem.split, problem.steps * (rank + 1) / problem.split};
}

template <class K>
struct Shared {
  unsigned base;

  __device__ unsigned x(unsigned stage) const { return base + stage * K::kXBytes; }
  __device__ unsigned codes(unsigned stage) const { return x(K::kStages) + stage * kCodeBytes; }
  __device__ unsigned out(unsigned consumer) const {
    return base + K::kOutAt + consumer * (kOutTokens * kOutPitch * 4);
  }
  __device__ unsigned full(unsigned stage) const { return base + K::kBarriersAt + stage * 8; }
  __device__ unsigned empty(unsigned stage) const { return full(K::kStages + stage); }
};

__device__ inline unsigned load_shared_16(unsigned address) {
  std::uint16_t value;
  asm volatile("ld.shared.u16 %0, [%1];" : "=h"(value) : "r"(address));
  return value;
}
__device__ inline void store_shared(unsigned address, float value) {
  asm volatile("st.shared.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory");
}
__device__ inline float4 load_shared_4(unsigned address) {
  float4 v;
  asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(address)
               : "memory");
  return v;
}
__device__ inline float4 load_cluster_4(unsigned address) {
  float4 v;
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

// --- the warp that issues copies ---

template <class K>
__device__ void copy_tiles(const Problem& problem, const CUtensorMap* x_map,
                           const CUtensorMap* code_map, Shared<K> shared) {
  constexpr auto kCodesHint = K::kFew ? sm90::CacheHint::kEvictFirst : sm90::CacheHint::kNormal;
  const auto load_codes = [&](unsigned stage, unsigned step, unsigned row) {
    sm90::barrier_arrive_expect(shared.full(stage), K::kStageBytes);
    sm90::tma_load(shared.codes(stage), code_map, shared.full(stage),
                   static_cast<int>(step * kStep / 2), static_cast<int>(row), kCodesHint);
  };
  const auto load_x = [&](unsigned stage, unsigned step, unsigned token) {
    sm90::tma_load(shared.x(stage), x_map, shared.full(stage), static_cast<int>(step * kStep),
                   static_cast<int>(token));
  };
  const Steps steps = steps_of_block(problem);
  sm90::Stage<K::kStages> stage;
  // The weight does not depend on the kernel before, which may be quantizing x still.
  Tile tile = tile_at<K>(problem, blockIdx.x / problem.split);
  const unsigned first = min(steps.end - steps.begin, K::kStages);
  for (unsigned i = 0; i < first; ++i) load_codes(i, steps.begin + i, tile.row);
  sm90::wait_for_previous_kernel();
  for (unsigned i = 0; i < first; ++i) load_x(i, steps.begin + i, tile.token);
  stage.skip(first);
  unsigned begin = steps.begin + first;
  const unsigned tiles = problem.token_tiles * problem.row_tiles;
  const unsigned blocks = gridDim.x / problem.split;
  for (unsigned i = blockIdx.x / problem.split; i < tiles; i += blocks) {
    tile = tile_at<K>(problem, i);
    for (unsigned step = begin; step < steps.end; ++step) {
      sm90::barrier_wait(shared.empty(stage.index), stage.parity ^ 1);
      load_codes(stage.index, step, tile.row);
      load_x(stage.index, step, tile.token);
      stage.advance();
    }
    begin = steps.begin;
  }
}

// --- the warpgroups that decode and multiply ---

// Operand A of the wgmmas of a unit, 64 rows: [32 columns][register].
template <class K>
struct Fragment {
  unsigned a[K::kUnit / 32][4];
};

// Keeps the compiler from making the operands where their products are issued: it would serialize
// them.
template <class K>
__device__ void pin(Fragment<K>& fragment) {
#pragma unroll
  for (auto& of_product : fragment.a) {
#pragma unroll
    for (unsigned& word : of_product) asm volatile("" : "+r"(word));
  }
}

// Of this lane's two rows, as zero_point_bytes.
struct ZeroPoints {
  unsigned bytes[2];
};

template <class K>
__device__ ZeroPoints load_zero_points(const Problem& problem, const unsigned (&rows)[2],
                                       unsigned group) {
  ZeroPoints result{};
  if constexpr (K::kShifts) {
#pragma unroll
    for (unsigned h = 0; h < 2; ++h) {
      const std::int8_t* points = problem.args.zero_point;
      const std::int64_t at = std::int64_t{rows[h]} * problem.groups + group;
      result.bytes[h] = zero_point_bytes(points != nullptr ? __ldg(points + at) : 0);
    }
  }
  return result;
}

// `row`: this lane's first of two, 8 apart; rows of 64 bytes lie in the copy engine's 64-byte
// swizzle.
template <class K>
__device__ void decode(Fragment<K>& fragment, unsigned codes, unsigned unit, unsigned row,
                       const ZeroPoints& zero_points) {
  const unsigned at = codes + row * 64 + 2 * (threadIdx.x % 4);
  const unsigned swizzle = ((row >> 1) & 3) << 4;  // the same 8 rows further on
#pragma unroll
  for (unsigned i = 0; i < K::kUnit / 32; ++i) {
    const unsigned chunk = at + (((unit * (K::kUnit / 32) + i) << 4) ^ swizzle);
#pragma unroll
    for (unsigned j = 0; j < 4; ++j) {
      const unsigned nibbles = load_shared_16(chunk + j % 2 * 8 * 64 + j / 2 * 8);
      if constexpr (K::kShifts) {
        fragment.a[i][j] = K::Codes::decode(nibbles, zero_points.bytes[j % 2]);
      } else {
        fragment.a[i][j] = K::Codes::decode(nibbles);
      }
    }
  }
  pin(fragment);
}

// Of this lane's two rows; zero multiplies the sums of x.
struct Parameters {
  float scale[2];
  float zero[2];
};

template <class K>
__device__ Parameters load_parameters(const Problem& problem, const unsigned (&rows)[2],
                                      unsigned group) {
  const LinearW4A8Sm90Args& args = problem.args;
  Parameters result{};
#pragma unroll
  for (unsigned h = 0; h < 2; ++h) {
    const std::int64_t at = std::int64_t{rows[h]} * problem.groups + group;
    const auto load = [&](const void* data) {
      if (args.scale_dtype == DType::kBF16) {
        const unsigned bits = __ldg(static_cast<const std::uint16_t*>(data) + at);
        return __uint_as_float(bits << 16);
      }
      return __ldg(static_cast<const float*>(data) + at);
    };
    result.scale[h] = load(args.scale) * K::kFactor;
    if (K::kShifts && args.zero != nullptr) result.zero[h] = load(args.zero);
  }
  return result;
}

// sums += zero * sum of x, as promote.
template <class K>
__device__ void add_zeros(const Problem& problem, float (&sums)[K::kTokens / 2],
                          const Parameters& parameters, unsigned unit, unsigned token) {
  const float* x_sums = problem.args.x_sums + std::int64_t{unit} * problem.x_sums_pitch + token;
#pragma unroll
  for (unsigned j = 0; j < K::kTokens / 8; ++j) {
    const float2 x_sum = *reinterpret_cast<const float2*>(x_sums + 8 * j + 2 * (threadIdx.x % 4));
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      float& sum = sums[4 * j + i];
      sum = fmaf(i % 2 == 0 ? x_sum.x : x_sum.y, parameters.zero[i / 2], sum);
    }
  }
}

// sums += part * scale: 4 * j + 2 * h + e is of row lane / 4 + 8 * h, token 8 * j + 2 * c + e.
template <class K>
__device__ void promote(float (&sums)[K::kTokens / 2],
                        const typename K::Part (&part)[K::kTokens / 2],
                        const Parameters& parameters) {
#pragma unroll
  for (unsigned i = 0; i < K::kTokens / 2; ++i) {
    sums[i] = fmaf(static_cast<float>(part[i]), parameters.scale[i / 2 % 2], sums[i]);
  }
}

// The warpgroups issue their products in turns: one's are added while the other's are made.
__device__ inline unsigned turn_barrier(unsigned consumer) { return 3 + consumer; }
__device__ inline void take_turn() {
  sm90::named_barrier_sync(turn_barrier(threadIdx.x / kWarpgroup), kWorkers);
}
__device__ inline void pass_turn() {
  sm90::named_barrier_arrive(turn_barrier(1 - threadIdx.x / kWarpgroup), kWorkers);
}

// The sums of one tile over this block's steps.
template <class K>
struct TileSums {
  const Problem& problem;
  Shared<K> shared;
  unsigned row;                       // of the block's 128, this lane's first
  unsigned token;                     // first of the tile
  unsigned rows[2];                   // of W, inside
  sm90::Stage<K::kStages>& decoded;   // stage of the next unit to decode
  sm90::Stage<K::kStages>& released;  // the next stage to give back
  unsigned unit;                      // of W's row, the next to multiply
  unsigned group;                     // of that unit
  unsigned left;                      // units of that group

  __device__ void decode_unit(Fragment<K>& fragment, unsigned of_stage, bool exists,
                              const ZeroPoints& zero_points) {
    if (of_stage == 0 && exists) {
      sm90::barrier_wait(shared.full(decoded.index), decoded.parity);
    }
    decode<K>(fragment, shared.codes(decoded.index), of_stage, row, zero_points);
    if (of_stage + 1 == K::kUnits && exists) decoded.advance();
  }

  // Multiplies the decoded unit; decodes the next one, and adds, in the other warpgroup's turn.
  __device__ void run(float (&sums)[K::kTokens / 2], Fragment<K>& fragment, unsigned of_stage,
                      bool has_next) {
    const Parameters parameters = load_parameters<K>(problem, rows, group);
    const unsigned next_group = left == 1 ? min(group + 1, problem.groups - 1) : group;
    const ZeroPoints zero_points = load_zero_points<K>(problem, rows, next_group);
    typename K::Part part[K::kTokens / 2];
    sm90::pin_accumulators(part);
    take_turn();
    const std::uint64_t x =
        sm90::descriptor_128b(shared.x(released.index)) + of_stage * (K::kUnit / 16);
    sm90::wgmma_fence();
#pragma unroll
    for (unsigned i = 0; i < K::kUnit / 32; ++i) {
      sm90::wgmma(typename K::Codes::Operands{}, part, fragment.a[i], x + 2 * i, i > 0);
    }
    sm90::wgmma_commit();
    pass_turn();
    sm90::wgmma_wait<0>();
    sm90::pin_accumulators(part);
    decode_unit(fragment, (of_stage + 1) % K::kUnits, has_next, zero_points);
    if (of_stage + 1 == K::kUnits) {
      if (threadIdx.x % 32 == 0) sm90::barrier_arrive(shared.empty(released.index));
      released.advance();
    }
    if (K::kShifts && problem.args.zero != nullptr) {
      add_zeros<K>(problem, sums, parameters, unit, token);
    }
    promote<K>(sums, part, parameters);
    ++unit;
    group = next_group;
    left = left == 1 ? problem.group_units : left - 1;
  }
};

template <class K>
__device__ void sum_tile(float (&sums)[K::kTokens / 2], TileSums<K>& tile, unsigned steps) {
#pragma unroll
  for (float& sum : sums) sum = 0.0F;
  if (steps == 0) return;
  Fragment<K> fragment;
  tile.decode_unit(fragment, 0, true, load_zero_points<K>(tile.problem, tile.rows, tile.group));
  for (unsigned step = 0; step < steps; ++step) {
#pragma unroll
    for (unsigned i = 0; i < K::kUnits; ++i) {
      tile.run(sums, fragment, i, i + 1 < K::kUnits || step + 1 < steps);
    }
  }
}

// --- results ---

__device__ inline float load_bias(const LinearW4A8Sm90Args& args, unsigned column) {
  if (args.bias == nullptr) return 0.0F;
  switch (args.bias_dtype) {
    case DType::kBF16:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(args.bias)[column]);
    case DType::kF16:
      return __half2float(static_cast<const __half*>(args.bias)[column]);
    default:
      return static_cast<const float*>(args.bias)[column];
  }
}

__device__ inline float finish(const LinearW4A8Sm90Args& args, float sum, unsigned token,
                               unsigned column) {
  if (args.x_zero_point != nullptr) {
    sum = __fsub_rn(sum, __fmul_rn(static_cast<float>(args.x_zero_point[token]),
                                   __ldg(args.row_sums + column)));
  }
  return __fadd_rn(__fmul_rn(sum, args.x_scale[token]), load_bias(args, column));
}

// Eight columns of a row of out.
__device__ inline void store_eight(const Problem& problem, unsigned token, unsigned column,
                                   const float (&sums)[8]) {
  if (token >= problem.m || column >= problem.n) return;
  const LinearW4A8Sm90Args& args = problem.args;
  const std::int64_t at = std::int64_t{token} * problem.n + column;
  const unsigned count = min(8U, problem.n - column);
  float values[8];
#pragma unroll
  for (unsigned i = 0; i < 8; ++i) {
    values[i] = i < count ? finish(args, sums[i], token, column + i) : 0.0F;
  }
  if (args.out_dtype == DType::kF32) {
    auto* out = static_cast<float*>(args.out) + at;
#pragma unroll
    for (unsigned i = 0; i < 8; ++i) {
      if (i < count) out[i] = values[i];
    }
    return;
  }
  unsigned words[4];
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) {
    if (args.out_dtype == DType::kBF16) {
      const __nv_bfloat162_raw pair = __floats2bfloat162_rn(values[2 * i], values[2 * i + 1]);
      words[i] = pair.x | static_cast<unsigned>(pair.y) << 16;
    } else {
      const __half2_raw pair = __floats2half2_rn(values[2 * i], values[2 * i + 1]);
      words[i] = pair.x | static_cast<unsigned>(pair.y) << 16;
    }
  }
  auto* out = static_cast<std::uint16_t*>(args.out) + at;
  if (problem.vector_out) {
    *reinterpret_cast<uint4*>(out) = uint4{words[0], words[1], words[2], words[3]};
    return;
  }
#pragma unroll
  for (unsigned i = 0; i < 8; ++i) {
    if (i < count) out[i] = static_cast<std::uint16_t>(words[i / 2] >> (i % 2 * 16));
  }
}

// A warpgroup's sums, transposed through shared memory.
template <class K>
__device__ void write_out(const Problem& problem, const float (&sums)[K::kTokens / 2],
                          unsigned token, unsigned row, unsigned buffer, unsigned consumer) {
  const unsigned thread = threadIdx.x % kWarpgroup;
  const unsigned own = thread / 32 * 16 + thread % 32 / 4;
#pragma unroll
  for (unsigned part = 0; part < K::kTokens / kOutTokens; ++part) {
    sm90::named_barrier_sync(1 + consumer, kWarpgroup);  // the buffer has been read
#pragma unroll
    for (unsigned j = 0; j < kOutTokens / 8; ++j) {
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned of_part = 8 * j + 2 * (thread % 4) + i % 2;
        store_shared(buffer + (of_part * kOutPitch + own + i / 2 * 8) * 4,
                     sums[4 * (part * (kOutTokens / 8) + j) + i]);
      }
    }
    sm90::named_barrier_sync(1 + consumer, kWarpgroup);
#pragma unroll
    for (unsigned i = 0; i < kOutTokens / 16; ++i) {
      const unsigned of_part = i * 16 + thread / 8;
      const unsigned from = buffer + (of_part * kOutPitch + thread % 8 * 8) * 4;
      const float4 a = load_shared_4(from);
      const float4 b = load_shared_4(from + 16);
      store_eight(problem, token + part * kOutTokens + of_part, row + thread % 8 * 8,
                  {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w});
    }
  }
}

template <class K>
__device__ void multiply_tiles(const Problem& problem, Shared<K> shared) {
  const unsigned consumer = threadIdx.x / kWarpgroup;
  const unsigned thread = threadIdx.x % kWarpgroup;
  const unsigned row = consumer * 64 + thread / 32 * 16 + thread % 32 / 4;
  const Steps steps = steps_of_block(problem);
  if (consumer == 1) pass_turn();
  sm90::Stage<K::kStages> decoded;
  sm90::Stage<K::kStages> released;
  const unsigned tiles = problem.token_tiles * problem.row_tiles;
  const unsigned blocks = gridDim.x / problem.split;
  for (unsigned i = blockIdx.x / problem.split; i < tiles; i += blocks) {
    const Tile place = tile_at<K>(problem, i);
    const unsigned unit = steps.begin * K::kUnits;
    const unsigned group = min(unit / problem.group_units, problem.groups - 1);
    TileSums<K> tile{problem,
                     shared,
                     row,
                     place.token,
                     {min(place.row + row, problem.n - 1), min(place.row + row + 8, problem.n - 1)},
                     decoded,
                     released,
                     unit,
                     group,
                     problem.group_units - unit % problem.group_units};
    float sums[K::kTokens / 2];
    sum_tile<K>(sums, tile, steps.end - steps.begin);
    if constexpr (!K::kFew) {
      write_out<K>(problem, sums, place.token, place.row + consumer * 64, shared.out(consumer),
                   consumer);
    } else {
      sm90::named_barrier_sync(1, kWorkers);  // the stages are free
#pragma unroll
      for (unsigned j = 0; j < K::kTokens / 8; ++j) {
#pragma unroll
        for (unsigned e = 0; e < 4; ++e) {
          const unsigned token = 8 * j + 2 * (thread % 4) + e % 2;
          store_shared(shared.base + (token * kFewPitch + row + e / 2 * 8) * 4, sums[4 * j + e]);
        }
      }
    }
  }
}

// Few rows: the sums of all blocks of the cluster, each block a part of the tile.
template <class K>
__device__ void finish_few(const Problem& problem, Shared<K> shared) {
  constexpr unsigned kEights = kRows / 8;
  const Tile place = tile_at<K>(problem, blockIdx.x / problem.split);
  const unsigned tokens = min(K::kTokens, problem.m - place.token);
  const unsigned rank = blockIdx.x % problem.split;
  for (unsigned i = rank * kWorkers + threadIdx.x; i < tokens * kEights;
       i += problem.split * kWorkers) {
    const unsigned token = i / kEights;
    const unsigned column = i % kEights * 8;
    const unsigned from = shared.base + (token * kFewPitch + column) * 4;
    float sums[8] = {};
    for (unsigned block = 0; block < problem.split; ++block) {
      const unsigned mapped = sm90::map_to_block(from, block);
      const float4 a = load_cluster_4(mapped);
      const float4 b = load_cluster_4(mapped + 16);
      const float parts[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
#pragma unroll
      for (unsigned e = 0; e < 8; ++e) sums[e] += parts[e];
    }
    store_eight(problem, place.token + token, place.row + column, sums);
  }
}

// All blocks of the cluster have their sums in shared memory.
template <class K>
__device__ void meet(const Problem& problem) {
  if constexpr (K::kFew) {
    if (problem.split > 1) {
      sm90::cluster_sync();
    } else {
      __syncthreads();
    }
  }
}

// No block leaves while another reads its sums.
template <class K>
__device__ void leave(const Problem& problem) {
  if constexpr (K::kFew) {
    if (problem.split > 1) sm90::cluster_leave();
  }
}

template <class K>
__global__ void __launch_bounds__(K::kThreads, K::kBlocksAMultiprocessor)
    linear(const __grid_constant__ Problem problem, const __grid_constant__ CUtensorMap x_map,
           const __grid_constant__ CUtensorMap code_map) {
  extern __shared__ std::uint8_t memory[];
  const Shared<K> shared{(sm90::shared_address(memory) + 1023) & ~1023U};
  if (threadIdx.x == 0) {
    for (unsigned stage = 0; stage < K::kStages; ++stage) {
      sm90::barrier_init(shared.full(stage), 1);
      sm90::barrier_init(shared.empty(stage), kConsumers * 4);
    }
    sm90::barrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x < kWorkers) {
    if constexpr (!K::kSmall) sm90::registers_increase<kConsumerRegisters>();
    sm90::wait_for_previous_kernel();
    multiply_tiles<K>(problem, shared);
    meet<K>(problem);
    if constexpr (K::kFew) finish_few<K>(problem, shared);
    leave<K>(problem);
  } else {
    if constexpr (!K::kSmall) sm90::registers_decrease<kProducerRegisters>();
    if (threadIdx.x < kWorkers + 32 && sm90::elect_one()) {
      copy_tiles<K>(problem, &x_map, &code_map, shared);
    }
    __syncwarp();
    meet<K>(problem);
    leave<K>(problem);
  }
}

}  // namespace
}  // namespace lowp::kernels::w4a8
