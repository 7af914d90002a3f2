// Elements of F32, F16 and BF16 on the device, eight at a time, and reductions over a block: for
// kernels that do little but move memory. The dtype is the same for all threads, so that asking for
// it at run time costs a branch that no warp splits on.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "formats/dtype.h"

namespace lowp::kernels::device {
namespace {

constexpr int kWarp = 32;
constexpr int kMaxThreads = 1024;
constexpr unsigned kAllLanes = 0xFFFFFFFF;
constexpr int kVector = 8;  // elements: 16 bytes of F16 and BF16, 32 of F32

struct Vector {
  float v[kVector];
};

__device__ inline float load(const void* data, DType dtype, std::int64_t i) {
  if (dtype == DType::kF32) return static_cast<const float*>(data)[i];
  if (dtype == DType::kBF16) return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]);
  return __half2float(static_cast<const __half*>(data)[i]);
}

// Rounded to nearest even.
__device__ inline void store(void* data, DType dtype, std::int64_t i, float value) {
  if (dtype == DType::kF32) {
    static_cast<float*>(data)[i] = value;
  } else if (dtype == DType::kBF16) {
    static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16_rn(value);
  } else {
    static_cast<__half*>(data)[i] = __float2half_rn(value);
  }
}

__device__ inline float round_to(DType dtype, float value) {
  if (dtype == DType::kF32) return value;
  return dtype == DType::kBF16 ? __bfloat162float(__float2bfloat16_rn(value))
                               : __half2float(__float2half_rn(value));
}

__device__ inline void unpack(uint4 raw, DType dtype, float (&v)[kVector]) {
  const unsigned words[] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float2 pair;
    if (dtype == DType::kBF16) {
      pair = {__uint_as_float(words[i] << 16), __uint_as_float(words[i] & 0xFFFF0000U)};
    } else {
      pair = __half22float2(*reinterpret_cast<const __half2*>(&words[i]));
    }
    v[2 * i] = pair.x;
    v[2 * i + 1] = pair.y;
  }
}

__device__ inline uint4 pack(const float (&v)[kVector], DType dtype) {
  unsigned words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair{v[2 * i], v[2 * i + 1]};
    if (dtype == DType::kBF16) {
      const __nv_bfloat162 bits = __float22bfloat162_rn(pair);
      words[i] = *reinterpret_cast<const unsigned*>(&bits);
    } else {
      const __half2 bits = __float22half2_rn(pair);
      words[i] = *reinterpret_cast<const unsigned*>(&bits);
    }
  }
  return {words[0], words[1], words[2], words[3]};
}

// A row that is read and written eight elements at a time. `aligned`: all its vectors are whole and
// lie on 16 bytes; else elements are taken one by one, those from `cols` on as 0.
struct Row {
  const void* data;
  DType dtype;
  std::int64_t cols;
  bool aligned;
};

// A whole aligned vector as it lies in memory. Several are loaded before the first is unpacked, so
// that their latencies overlap.
template <DType kType>
struct RawVector {
  uint4 words[kType == DType::kF32 ? 2 : 1];

  __device__ static RawVector load(const void* data, std::int64_t i) {
    const auto* from = static_cast<const char*>(data) + i * (kType == DType::kF32 ? 4 : 2);
    RawVector raw;
    raw.words[0] = reinterpret_cast<const uint4*>(from)[0];
    if constexpr (kType == DType::kF32) raw.words[1] = reinterpret_cast<const uint4*>(from)[1];
    return raw;
  }

  __device__ Vector values() const {
    Vector vector;
    if constexpr (kType == DType::kF32) {
      const unsigned bits[] = {words[0].x, words[0].y, words[0].z, words[0].w,
                               words[1].x, words[1].y, words[1].z, words[1].w};
#pragma unroll
      for (int i = 0; i < kVector; ++i) vector.v[i] = __uint_as_float(bits[i]);
    } else {
      unpack(words[0], kType, vector.v);
    }
    return vector;
  }
};

__device__ inline Vector load_vector(const Row& row, std::int64_t i) {
  Vector vector;
  if (!row.aligned) {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      vector.v[j] = i + j < row.cols ? load(row.data, row.dtype, i + j) : 0.0F;
    }
  } else if (row.dtype == DType::kF32) {
    const auto* from = reinterpret_cast<const float4*>(static_cast<const float*>(row.data) + i);
    const float4 a = from[0], b = from[1];
    vector = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
  } else {
    const auto* from = static_cast<const std::uint16_t*>(row.data) + i;
    unpack(*reinterpret_cast<const uint4*>(from), row.dtype, vector.v);
  }
  return vector;
}

__device__ inline void store_vector(void* data, const Row& row, std::int64_t i,
                                    const Vector& vector) {
  if (!row.aligned) {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      if (i + j < row.cols) store(data, row.dtype, i + j, vector.v[j]);
    }
  } else if (row.dtype == DType::kF32) {
    auto* to = reinterpret_cast<float4*>(static_cast<float*>(data) + i);
    to[0] = {vector.v[0], vector.v[1], vector.v[2], vector.v[3]};
    to[1] = {vector.v[4], vector.v[5], vector.v[6], vector.v[7]};
  } else {
    auto* to = static_cast<std::uint16_t*>(data) + i;
    *reinterpret_cast<uint4*>(to) = pack(vector.v, row.dtype);
  }
}

__device__ inline const void* advance(const void* data, DType dtype, std::int64_t elements) {
  return static_cast<const char*>(data) + elements * (dtype == DType::kF32 ? 4 : 2);
}
__device__ inline void* advance(void* data, DType dtype, std::int64_t elements) {
  return static_cast<char*>(data) + elements * (dtype == DType::kF32 ? 4 : 2);
}

// visit(i, vector, count) for each vector of a row, taken by `threads` threads in turn: elements i
// to i + count - 1. Four of a thread's vectors are in flight at a time.
template <DType kType, class Visit>
__device__ inline void visit_aligned(const Row& row, int threads, Visit visit) {
  constexpr int kBatch = 4;
  const auto cols = static_cast<int>(row.cols), step = threads * kVector;
  for (int begin = static_cast<int>(threadIdx.x) * kVector; begin < cols; begin += kBatch * step) {
    RawVector<kType> raw[kBatch];
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      if (begin + j * step < cols) raw[j] = RawVector<kType>::load(row.data, begin + j * step);
    }
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      if (begin + j * step < cols) visit(begin + j * step, raw[j].values(), kVector);
    }
  }
}

template <class Visit>
__device__ inline void visit_vectors(const Row& row, int threads, Visit visit) {
  if (row.aligned && row.dtype == DType::kBF16) {
    visit_aligned<DType::kBF16>(row, threads, visit);
  } else if (row.aligned && row.dtype == DType::kF16) {
    visit_aligned<DType::kF16>(row, threads, visit);
  } else if (row.aligned) {
    visit_aligned<DType::kF32>(row, threads, visit);
  } else {
    const auto cols = static_cast<int>(row.cols);
    for (int i = static_cast<int>(threadIdx.x); i < cols; i += threads) {
      visit(i, Vector{load(row.data, row.dtype, i)}, 1);
    }
  }
}

// One value a thread combined over the block and given to all. Blocks are whole warps; the shared
// memory may be used again after another barrier only.
template <class Combine>
__device__ inline float block_reduce(float value, float identity, Combine combine) {
  __shared__ float of_warp[kMaxThreads / kWarp];
  const unsigned lane = threadIdx.x % kWarp;
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = combine(value, __shfl_xor_sync(kAllLanes, value, offset));
  }
  if (blockDim.x == kWarp) return value;
  __syncthreads();  // the last call's values have been read
  if (lane == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = lane < blockDim.x / kWarp ? of_warp[lane] : identity;
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = combine(value, __shfl_xor_sync(kAllLanes, value, offset));
  }
  return value;
}

__device__ inline float block_sum(float value) {
  return block_reduce(value, 0.0F, [](float a, float b) { return a + b; });
}

// Host: whether rows of `cols` elements, `stride` apart, can be taken in whole aligned vectors.
inline bool is_aligned(const void* data, DType dtype, std::int64_t cols, std::int64_t stride) {
  const std::int64_t bytes = dtype == DType::kF32 ? 4 : 2;
  return cols % kVector == 0 && stride * bytes % 16 == 0 &&
         reinterpret_cast<std::uintptr_t>(data) % 16 == 0;
}

// Threads for `count` items: whole warps, at most `most`.
inline unsigned threads_for(std::int64_t count, int most) {
  const std::int64_t warps = (count + kWarp - 1) / kWarp;
  const std::int64_t threads = warps * kWarp;
  return static_cast<unsigned>(threads < 1 ? kWarp : threads > most ? most : threads);
}

inline const char* launch_error() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace
}  // namespace lowp::kernels::device
