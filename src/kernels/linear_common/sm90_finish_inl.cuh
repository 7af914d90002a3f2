// The end of a tile of a matrix product on Hopper: a warpgroup's sums (64, kColumns) are scaled,
// get their bias, are rounded and leave through shared memory and the copy engine, a warp at a
// time. All blocks come here together, and then the L2 takes 64 KB of each in some 3000 cycles:
// shared memory holds the whole tile, so that the next one's products need not wait for that.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "kernels/linear_common/sm90_gemm.h"
#include "kernels/runtime/sm90_tma_inl.cuh"

namespace lowp::kernels::sm90 {
namespace {

constexpr int kStoreBytes = 2048;  // what a warp stores at once: 16 rows of 128 bytes
constexpr int kColumnBytes = 8;    // scale and bias of a column
constexpr int kRowsOfWarp = 16;

__device__ inline float load_bias(const Finish& finish, int column) {
  if (finish.bias == nullptr) return 0.0F;
  switch (finish.bias_dtype) {
    case DType::kBF16:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(finish.bias)[column]);
    case DType::kF16:
      return __half2float(static_cast<const __half*>(finish.bias)[column]);
    default:
      return static_cast<const float*>(finish.bias)[column];
  }
}

// What this thread will need of a tile, asked for before its main loop. Thread t of the warpgroup
// holds columns t and t + 128 for all, and its own two rows.
template <int kColumns>
struct TileScales {
  static constexpr int kOfThread = (kColumns + 127) / 128;
  float column_scale[kOfThread];
  float bias[kOfThread];
  float row_scale[2];
  int row_zero_point[2];
};

// The place of a warpgroup's part of a tile: its first row, column and matrix.
struct Place {
  int row;
  int column;
  int batch;
};

__device__ inline int thread_of_warpgroup() { return static_cast<int>(threadIdx.x % kWarpgroup); }
__device__ inline int warp_of_warpgroup() { return thread_of_warpgroup() / 32; }
__device__ inline int lane() { return static_cast<int>(threadIdx.x % 32); }

// The first of the two rows of accumulators that this thread holds; the other is 8 further.
__device__ inline int row_of_thread() { return warp_of_warpgroup() * kRowsOfWarp + lane() / 4; }

template <int kColumns>
__device__ TileScales<kColumns> load_tile_scales(const Finish& finish, GemmSize size, Place place) {
  TileScales<kColumns> scales;
#pragma unroll
  for (int i = 0; i < scales.kOfThread; ++i) {
    const int column = place.column + 128 * i + thread_of_warpgroup();
    const bool inside = column < size.n;
    scales.column_scale[i] = 1.0F;
    if (inside && finish.column_scale != nullptr) {
      scales.column_scale[i] = finish.column_scale[place.batch * finish.column_batch_stride +
                                                   std::int64_t{column} * finish.column_stride];
    }
    scales.bias[i] = inside ? load_bias(finish, column) : 0.0F;
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int row = place.row + row_of_thread() + 8 * i;
    const bool inside = row < size.m;
    scales.row_scale[i] = 1.0F;
    if (inside && finish.row_scale != nullptr) {
      scales.row_scale[i] = finish.row_scale[place.batch * finish.row_batch_stride +
                                             std::int64_t{row} * finish.row_stride];
    }
    scales.row_zero_point[i] =
        inside && finish.row_zero_point != nullptr ? finish.row_zero_point[row] : 0;
  }
  return scales;
}

// One element. The order of the int32 form is that of the reference: bit-equal to it.
__device__ inline float finish_element(float sum, float row_scale, float column_scale, float bias) {
  return sum * (row_scale * column_scale) + bias;
}
__device__ inline float finish_element(std::int32_t sum, float row_scale, float column_scale,
                                       float bias) {
  return __fadd_rn(__fmul_rn(__fmul_rn(static_cast<float>(sum), row_scale), column_scale), bias);
}

// Two neighbours of a row as they are stored.
template <class Out>
struct Pair;
template <>
struct Pair<__nv_bfloat16> {
  using Stored = __nv_bfloat162;
  __device__ static Stored round(float2 pair) { return __floats2bfloat162_rn(pair.x, pair.y); }
};
template <>
struct Pair<__half> {
  using Stored = __half2;
  __device__ static Stored round(float2 pair) { return __floats2half2_rn(pair.x, pair.y); }
};
template <>
struct Pair<float> {
  using Stored = float2;
  __device__ static Stored round(float2 pair) { return pair; }
};

template <class Stored>
__device__ unsigned bits_of(const Stored& stored) {
  return *reinterpret_cast<const unsigned*>(&stored);
}

// sum - zero_point * column_sum, exactly.
template <int kColumns>
__device__ void subtract_zero_points(std::int32_t (&sums)[kColumns / 2],
                                     const TileScales<kColumns>& scales, const Finish& finish,
                                     GemmSize size, Place place) {
#pragma unroll
  for (int group = 0; group < kColumns / 8; ++group) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int column = place.column + 8 * group + 2 * (lane() % 4) + i;
      const std::int32_t column_sum = column < size.n ? __ldg(finish.column_sums + column) : 0;
      sums[4 * group + i] -= scales.row_zero_point[0] * column_sum;
      sums[4 * group + 2 + i] -= scales.row_zero_point[1] * column_sum;
    }
  }
}

// The finished values of a warpgroup's accumulators. Not kScaled: they have their scales already.
template <class Sum, int kColumns, bool kScaled>
struct Values {
  const Sum (&sums)[kColumns / 2];
  const TileScales<kColumns>& scales;
  const Finish& finish;
  Place place;
  GemmSize size;
  const float4* columns;  // {scale, bias} of two columns each

  // Scale and bias of columns 8 * group + 2 * (lane % 4) + {0, 1}.
  __device__ float4 column(int group) const { return columns[group * 4 + lane() % 4]; }

  // These columns in row h of the thread's two.
  __device__ float2 operator()(int group, int h, float4 column) const {
    if constexpr (!kScaled) {
      return {sums[4 * group + 2 * h] + column.y, sums[4 * group + 2 * h + 1] + column.w};
    }
    const float scale = scales.row_scale[h];
    return {finish_element(sums[4 * group + 2 * h], scale, column.x, column.y),
            finish_element(sums[4 * group + 2 * h + 1], scale, column.z, column.w)};
  }
};

// 16 rows of 128 bytes into shared memory, 16-byte chunk c of row r at chunk c ^ (r % 8); `group`
// is the first group of 8 columns. Loads first, all of them: a store to shared memory keeps those
// behind it waiting.
template <class Out, class Values>
__device__ void stage(unsigned buffer, const Values& values, int group) {
  constexpr int kGroups = 16 / static_cast<int>(sizeof(Out));
  float4 columns[kGroups];
#pragma unroll
  for (int i = 0; i < kGroups; ++i) columns[i] = values.column(group + i);
  if constexpr (sizeof(Out) == 2) {
    const int row = lane() % 16;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      unsigned packed[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int g = 2 * i + j / 2;
        packed[j] = bits_of(Pair<Out>::round(values(group + g, j % 2, columns[g])));
      }
      const int chunk = 2 * i + lane() / 16;
      store_matrix_x4(buffer + row * 128 + ((chunk ^ (row % 8)) * 16), packed);
    }
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int row = lane() / 4 + 8 * h;
        const int chunk = 2 * i + lane() % 4 / 2;
        const float2 pair = values(group + i, h, columns[i]);
        asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"(
                         buffer + row * 128 + ((chunk ^ (row % 8)) * 16) + lane() % 2 * 8),
                     "f"(pair.x), "f"(pair.y)
                     : "memory");
      }
    }
  }
}

// Any alignment: element by element from the registers.
template <class Out, class Values>
__device__ void store_plain(const Values& values, int group) {
  const std::int64_t matrix = std::int64_t{values.place.batch} * values.size.m;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int row = values.place.row + row_of_thread() + 8 * h;
    const int column = values.place.column + 8 * group + 2 * (lane() % 4);
    auto* out = static_cast<Out*>(values.finish.out) + (matrix + row) * values.size.n + column;
    const auto pair = Pair<Out>::round(values(group, h, values.column(group)));
    if (row < values.size.m && column < values.size.n) out[0] = pair.x;
    if (row < values.size.m && column + 1 < values.size.n) out[1] = pair.y;
  }
}

// `staging` is kColumns / 64 buffers of this warp, kAtOnce of which are filled before they are
// stored: one fence orders them.
template <class Out, int kColumns, int kAtOnce, class Values>
__device__ void store_tile(const CUtensorMap* map, const Values& values, unsigned staging) {
  constexpr int kTurns = kColumns / 64 / kAtOnce;
  constexpr int kGroups = kStoreBytes / kRowsOfWarp / 8 / static_cast<int>(sizeof(Out));
  if (!values.finish.by_copy_engine) {
#pragma unroll
    for (int group = 0; group < kColumns / 8; ++group) store_plain<Out>(values, group);
    return;
  }
#pragma unroll
  for (int pass = 0; pass < kColumns / 8 / (kAtOnce * kGroups); ++pass) {
    const unsigned buffers = staging + pass % kTurns * kAtOnce * kStoreBytes;
    if (lane() == 0) tma_store_wait_read<kTurns - 1>();
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      stage<Out>(buffers + i * kStoreBytes, values, (pass * kAtOnce + i) * kGroups);
    }
    fence_async_shared();
    __syncwarp();
    if (lane() != 0) continue;
    const int row = values.place.row + warp_of_warpgroup() * kRowsOfWarp;
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int column = values.place.column + 8 * (pass * kAtOnce + i) * kGroups;
      if (row < values.size.m && column < values.size.n) {
        tma_store(map, buffers + i * kStoreBytes, column, row, values.place.batch);
      }
    }
    tma_store_commit();
  }
}

// `columns` is kColumns of this warpgroup, `staging` kColumns / 64 buffers of this warp, `barrier`
// a named barrier of this warpgroup.
template <class Sum, int kColumns, bool kScaled>
__device__ void finish_tile(const CUtensorMap* map, const Finish& finish, GemmSize size,
                            Place place, Sum (&sums)[kColumns / 2],
                            const TileScales<kColumns>& scales, float2* columns, unsigned staging,
                            unsigned barrier) {
  if constexpr (std::is_same_v<Sum, std::int32_t>) {
    if (finish.row_zero_point != nullptr) {
      subtract_zero_points<kColumns>(sums, scales, finish, size, place);
    }
  }
  named_barrier_sync(barrier, kWarpgroup);  // those of the tile before have been read
#pragma unroll
  for (int i = 0; i < scales.kOfThread; ++i) {
    const int column = 128 * i + thread_of_warpgroup();
    if (column < kColumns) columns[column] = {scales.column_scale[i], scales.bias[i]};
  }
  named_barrier_sync(barrier, kWarpgroup);
  constexpr int kAtOnce = kScaled ? 2 : kColumns / 64;  // measured
  const Values<Sum, kColumns, kScaled> values{
      sums, scales, finish, place, size, reinterpret_cast<const float4*>(columns)};
  if (finish.out_dtype == DType::kBF16) {
    store_tile<__nv_bfloat16, kColumns, kAtOnce>(map, values, staging);
  } else if (finish.out_dtype == DType::kF16) {
    store_tile<__half, kColumns, kAtOnce>(map, values, staging);
  } else {
    store_tile<float, kColumns, kAtOnce>(map, values, staging);
  }
}

}  // namespace
}  // namespace lowp::kernels::sm90
