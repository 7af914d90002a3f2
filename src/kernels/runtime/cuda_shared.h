// Dynamic shared memory beyond 48 KB.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstdint>

namespace lowp::kernels {

// Lets a kernel have `bytes`, always the same number, on the current device. The driver is asked
// once, half a microsecond.
template <auto* kKernel>
cudaError_t allow_shared_memory(int bytes) {
  static std::atomic<std::uint64_t> allowed{0};  // a bit a device
  int device = 0;
  if (const cudaError_t error = cudaGetDevice(&device); error != cudaSuccess) return error;
  const std::uint64_t bit = device < 64 ? std::uint64_t{1} << device : 0;
  if ((allowed.load(std::memory_order_relaxed) & bit) != 0) return cudaSuccess;
  const cudaError_t error =
      cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error == cudaSuccess) allowed.fetch_or(bit, std::memory_order_relaxed);
  return error;
}

}  // namespace lowp::kernels
