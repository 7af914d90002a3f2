#include <cuda_runtime.h>

#include "formats/bf16.h"
#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/e8m0.h"
#include "formats/fp16.h"
#include "formats/integers.h"
#include "kernels/linear_common/cuda_rows_formats.h"

namespace lowp::kernels {
namespace {

constexpr int kWarp = 32;
constexpr int kThreads = 128;
constexpr std::int64_t kIndexLimit = std::int64_t{1} << 26;  // 32 lanes a row in 32 bits

__device__ float load_parameter(const void* values, DType dtype, long long index) {
  if (dtype == DType::kBF16) {
    return Bf16::to_float(static_cast<const std::uint16_t*>(values)[index]);
  }
  return static_cast<const float*>(values)[index];
}

__device__ std::uint8_t load_byte(const void* bytes, long long index) {
  return static_cast<const std::uint8_t*>(bytes)[index];
}

// The weight at (n, k) in fp32.
__device__ float load_weight(const CudaWeight& weight, int n, int k) {
  const long long at = static_cast<long long>(n) * weight.k + k;
  const int group_cols = static_cast<int>(weight.group_cols);
  const int columns = (static_cast<int>(weight.k) + group_cols - 1) / group_cols;
  const long long group =
      static_cast<long long>(n / static_cast<int>(weight.group_rows)) * columns + k / group_cols;
  const auto nibble = [&] { return load_byte(weight.codes, at / 2) >> (k % 2 * 4) & 0xF; };
  switch (weight.format) {
    case CudaWeightFormat::kInt8:
      return static_cast<float>(static_cast<std::int8_t>(load_byte(weight.codes, at))) *
             static_cast<const float*>(weight.scale)[group];
    case CudaWeightFormat::kInt4: {
      const int point = weight.zero_point == nullptr ? 0 : weight.zero_point[group];
      const float zero =
          weight.zero == nullptr ? 0.0F : load_parameter(weight.zero, weight.scale_dtype, group);
      return static_cast<float>(sign_extend(nibble(), 4) - point) *
                 load_parameter(weight.scale, weight.scale_dtype, group) +
             zero;
    }
    case CudaWeightFormat::kFp8:
      return E4m3::to_float(load_byte(weight.codes, at)) *
             static_cast<const float*>(weight.scale)[group];
    case CudaWeightFormat::kMxfp8:
      return E4m3::to_float(load_byte(weight.codes, at)) *
             E8m0::to_float(load_byte(weight.scale, group));
    case CudaWeightFormat::kMxfp4:
      return E2m1::to_float(static_cast<std::uint8_t>(nibble())) *
             E8m0::to_float(load_byte(weight.scale, group));
    default:
      return E2m1::to_float(static_cast<std::uint8_t>(nibble())) *
             E4m3::to_float(load_byte(weight.scale, group)) * *weight.tensor_scale;
  }
}

template <class X>
__device__ float load(const void* values, long long index) {
  return X::to_float(static_cast<const std::uint16_t*>(values)[index]);
}

// A warp a row of the weight, its lanes along K.
template <class X>
__global__ void __launch_bounds__(kThreads)
    linear_any(const __grid_constant__ CudaLinearArgs args) {
  const CudaWeight& weight = args.weight;
  const int n = static_cast<int>((blockIdx.x * kThreads + threadIdx.x) / kWarp);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (n >= weight.n) return;
  for (long long m = 0; m < args.m; ++m) {
    float sum = 0.0F;
    for (int k = lane; k < weight.k; k += kWarp) {
      const float rounded = X::to_float(X::from_float(load_weight(weight, n, k)));
      sum = fmaf(load<X>(args.x, m * args.x_stride + k), rounded, sum);
    }
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(0xFFFFFFFF, sum, distance);
    }
    if (args.bias != nullptr) sum += load<X>(args.bias, n);
    if (lane == 0) static_cast<std::uint16_t*>(args.out)[m * weight.n + n] = X::from_float(sum);
  }
}

}  // namespace

const char* linear_rows_any(const CudaLinearArgs& args) {
  if (args.weight.n >= kIndexLimit || args.weight.k >= kIndexLimit) {
    return "the weight has 2^26 rows or columns or more";
  }
  constexpr int kRows = kThreads / kWarp;
  const auto blocks = static_cast<unsigned>((args.weight.n + kRows - 1) / kRows);
  auto* stream = static_cast<cudaStream_t>(args.stream);
  if (args.x_dtype == DType::kBF16) {
    linear_any<Bf16><<<blocks, kThreads, 0, stream>>>(args);
  } else {
    linear_any<Fp16><<<blocks, kThreads, 0, stream>>>(args);
  }
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace lowp::kernels
