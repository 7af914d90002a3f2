#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include "formats/fp8_scale.h"
#include "kernels/quantize_fp8/exact_quotient.h"
#include "kernels/quantize_fp8/sm90.h"

namespace lowp::kernels {
namespace {

constexpr int kWarp = 32;
constexpr int kMaxThreads = 1024;
constexpr int kVectorElements = 8;  // 16 bytes of bf16, 8 bytes of codes
constexpr unsigned kAllLanes = 0xFFFFFFFF;

// Where exact_quotient holds; rows outside, with Inf or NaN too, take the division.
constexpr float kMinExactAmax = 0x1p-60F;
constexpr float kMaxExactAmax = 0x1p100F;

struct Rows {
  const std::uint16_t* x;
  std::int64_t cols;
  std::int64_t stride;
  std::uint8_t* codes;
  float* scale;
};

__device__ float from_bf16(unsigned bits) { return __uint_as_float(bits << 16); }

// Bits of the larger |bf16| in each half. As integers they order as the numbers do, NaN on top.
__device__ unsigned amax_pair(unsigned amax, unsigned pair) {
  return __vmaxu2(amax, pair & 0x7FFF7FFFU);
}

// The largest of one value a thread, given to all. Blocks are whole warps.
__device__ unsigned block_max(unsigned value) {
  __shared__ unsigned of_warp[kMaxThreads / kWarp];
  const unsigned lane = threadIdx.x % kWarp;
  value = __reduce_max_sync(kAllLanes, value);
  if (lane == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = lane < blockDim.x / kWarp ? of_warp[lane] : 0;
  return __reduce_max_sync(kAllLanes, value);
}

// How a row is encoded: by the exact quotient where it holds, else by a division.
struct Encoder {
  Divisor divisor;
  bool exact;

  __device__ explicit Encoder(float amax)
      : divisor{fp8_scale<E4m3>(amax), 0.0F},
        exact(amax >= kMinExactAmax && amax <= kMaxExactAmax) {
    divisor.reciprocal = __frcp_rn(divisor.value);
  }

  template <bool kExact>
  __device__ float quotient(float x) const {
    return kExact ? exact_quotient(x, divisor) : __fdiv_rn(x, divisor.value);
  }

  // Two bf16 to two codes: rounded to nearest even, saturated.
  template <bool kExact>
  __device__ unsigned encode_pair(unsigned pair) const {
    const float2 quotients{quotient<kExact>(from_bf16(pair & 0xFFFFU)),
                           quotient<kExact>(from_bf16(pair >> 16))};
    return __nv_cvt_float2_to_fp8x2(quotients, __NV_SATFINITE, __NV_E4M3);
  }

  template <bool kExact>
  __device__ uint2 encode(uint4 vector) const {
    return {encode_pair<kExact>(vector.x) | encode_pair<kExact>(vector.y) << 16,
            encode_pair<kExact>(vector.z) | encode_pair<kExact>(vector.w) << 16};
  }
};

// A block a row, the row in registers, read once: kVectors vectors a thread, all loads in flight
// before the first use.
template <int kVectors>
__global__ void __launch_bounds__(kMaxThreads) quantize_rows(Rows rows) {
  const auto row = static_cast<std::int64_t>(blockIdx.x);
  const int vectors = static_cast<int>(rows.cols / kVectorElements);
  const auto* x = reinterpret_cast<const uint4*>(rows.x + row * rows.stride);
  auto* codes = reinterpret_cast<uint2*>(rows.codes + row * rows.cols);

  uint4 values[kVectors];
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int index = static_cast<int>(threadIdx.x + i * blockDim.x);
    values[i] = index < vectors ? __ldcs(x + index) : uint4{0, 0, 0, 0};
  }

  unsigned amax = 0;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    amax = amax_pair(amax_pair(amax, values[i].x), values[i].y);
    amax = amax_pair(amax_pair(amax, values[i].z), values[i].w);
  }
  const Encoder encoder(from_bf16(block_max(max(amax & 0xFFFFU, amax >> 16))));
  if (threadIdx.x == 0) rows.scale[row] = encoder.divisor.value;

#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int index = static_cast<int>(threadIdx.x + i * blockDim.x);
    if (index < vectors) {
      __stcs(codes + index,
             encoder.exact ? encoder.encode<true>(values[i]) : encoder.encode<false>(values[i]));
    }
  }
}

// Any width and alignment: an element at a time, each read twice.
__global__ void __launch_bounds__(kMaxThreads) quantize_rows_any(Rows rows) {
  const auto row = static_cast<std::int64_t>(blockIdx.x);
  const std::uint16_t* x = rows.x + row * rows.stride;
  unsigned amax = 0;
  for (std::int64_t col = threadIdx.x; col < rows.cols; col += blockDim.x) {
    amax = max(amax, x[col] & 0x7FFFU);
  }
  const Encoder encoder(from_bf16(block_max(amax)));
  if (threadIdx.x == 0) rows.scale[row] = encoder.divisor.value;
  for (std::int64_t col = threadIdx.x; col < rows.cols; col += blockDim.x) {
    rows.codes[row * rows.cols + col] =
        static_cast<std::uint8_t>(encoder.encode_pair<false>(x[col]));
  }
}

bool is_aligned(const void* pointer, std::uintptr_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

bool takes_vectors(const QuantizeFp8RowsArgs& args) {
  return args.cols % kVectorElements == 0 && args.stride % kVectorElements == 0 &&
         is_aligned(args.x, 16) && is_aligned(args.codes, 8) &&
         args.cols <= std::int64_t{8} * kMaxThreads * kVectorElements;
}

template <int kVectors>
void launch(const Rows& rows, unsigned count, cudaStream_t stream) {
  const auto vectors = static_cast<unsigned>(rows.cols / kVectorElements);
  const unsigned threads = (vectors + kVectors * kWarp - 1) / (kVectors * kWarp) * kWarp;
  quantize_rows<kVectors><<<count, threads, 0, stream>>>(rows);
}

}  // namespace

const char* quantize_fp8_rows_sm90(const QuantizeFp8RowsArgs& args) {
  if (args.rows == 0 || args.cols == 0) return nullptr;
  const Rows rows{args.x, args.cols, args.stride, args.codes, args.scale};
  const auto count = static_cast<unsigned>(args.rows);
  auto* stream = static_cast<cudaStream_t>(args.stream);
  if (!takes_vectors(args)) {
    quantize_rows_any<<<count, 256, 0, stream>>>(rows);
  } else if (args.cols > 8192) {
    launch<8>(rows, count, stream);
  } else if (args.cols > 1024) {
    launch<4>(rows, count, stream);
  } else {
    launch<1>(rows, count, stream);
  }
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace lowp::kernels
