#include "kernels/linear_common/cuda_weights_inl.h"
#include "kernels/linear_common/sm90_tiles_plan.h"
#include "kernels/runtime/sm90_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

constexpr int kThreads = 256;
constexpr int kValues = 4;  // of a thread: a row's

struct Sum {
  const float* parts;  // (splits, M, N)
  const std::uint16_t* bias;
  std::uint16_t* out;
  std::int64_t size;  // M * N
  unsigned n;
  unsigned splits;
};

// The sum, in order, of `kCount` values from `at` on.
template <class X, int kCount>
__device__ void sum_values(const Sum& sum, std::int64_t at, unsigned column, std::uint16_t* out) {
  float values[kCount] = {};
#pragma unroll 4
  for (unsigned split = 0; split < sum.splits; ++split) {
    const float* from = sum.parts + split * sum.size + at;
    if constexpr (kCount == kValues) {
      const float4 part = __ldcg(reinterpret_cast<const float4*>(from));
      values[0] += part.x, values[1] += part.y, values[2] += part.z, values[3] += part.w;
    } else {
      values[0] += __ldcg(from);
    }
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (sum.bias != nullptr) values[i] += X::to_float(sum.bias[column + i]);
  }
  if constexpr (kCount == kValues) {
    *reinterpret_cast<uint2*>(out + at) = {X::from_floats(values[0], values[1]),
                                           X::from_floats(values[2], values[3])};
  } else {
    out[at] = static_cast<std::uint16_t>(X::from_floats(values[0], 0.0F));
  }
}

// kCount values a thread, all of one row.
template <class X, int kCount>
__global__ void __launch_bounds__(kThreads) add_splits(const Sum sum) {
  sm90::allow_next_kernel();
  sm90::wait_for_previous_kernel();
  const std::int64_t at = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kCount;
  if (at >= sum.size) return;
  sum_values<X, kCount>(sum, at, static_cast<unsigned>(at % sum.n), sum.out);
}

template <class X>
const char* launch(const Sum& sum, cudaStream_t stream) {
  const bool vector = sum.n % kValues == 0 && reinterpret_cast<std::uintptr_t>(sum.out) % 8 == 0;
  const std::int64_t threads = vector ? sum.size / kValues : sum.size;
  // Blocks start while the tiles' kernel ends, and wait for it.
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = static_cast<unsigned>((threads + kThreads - 1) / kThreads);
  config.blockDim = kThreads;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  const cudaError_t status = vector ? cudaLaunchKernelEx(&config, add_splits<X, kValues>, sum)
                                    : cudaLaunchKernelEx(&config, add_splits<X, 1>, sum);
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}

}  // namespace

const char* sum_splits(const CudaLinearArgs& args, unsigned splits) {
  const Sum sum{.parts = static_cast<const float*>(args.workspace),
                .bias = static_cast<const std::uint16_t*>(args.bias),
                .out = static_cast<std::uint16_t*>(args.out),
                .size = args.m * args.weight.n,
                .n = static_cast<unsigned>(args.weight.n),
                .splits = splits};
  auto* stream = static_cast<cudaStream_t>(args.stream);
  return args.x_dtype == DType::kBF16 ? launch<Bf16Pair>(sum, stream)
                                      : launch<Fp16Pair>(sum, stream);
}

}  // namespace lowp::kernels::tiles
