#include <cuda_runtime.h>

#include "formats/swizzle.h"
#include "kernels/swizzle_scales/cuda.h"

namespace lowp::kernels {
namespace {

constexpr int kThreads = 128;
constexpr std::int64_t kMaxGroups = 1 << 16;

// A thread takes the four scales of a row that lie side by side in a tile, one word there.
struct Place {
  std::int64_t row;
  std::int64_t col;
};

// In the order of the plain matrix, so that its accesses are coalesced.
__device__ Place place_of(std::int64_t word, std::int64_t tiles_across) {
  return {word / tiles_across, word % tiles_across * kSwizzleTileCols};
}

__global__ void __launch_bounds__(kThreads)
    swizzle(const std::uint8_t* scale, std::int64_t rows, std::int64_t cols, std::int64_t words,
            std::uint8_t* swizzled) {
  const std::int64_t tiles_across = ceil_div(cols, kSwizzleTileCols);
  for (std::int64_t word = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; word < words;
       word += std::int64_t{gridDim.x} * kThreads) {
    const auto [row, col] = place_of(word, tiles_across);
    unsigned four = 0;
    for (int i = 0; i < kSwizzleTileCols; ++i) {
      if (row < rows && col + i < cols) {
        four |= static_cast<unsigned>(scale[row * cols + col + i]) << (8 * i);
      }
    }
    *reinterpret_cast<unsigned*>(swizzled + swizzle_offset(row, col, cols)) = four;
  }
}

__global__ void __launch_bounds__(kThreads)
    unswizzle(const std::uint8_t* swizzled, std::int64_t rows, std::int64_t cols,
              std::int64_t words, std::uint8_t* scale) {
  const std::int64_t tiles_across = ceil_div(cols, kSwizzleTileCols);
  for (std::int64_t word = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; word < words;
       word += std::int64_t{gridDim.x} * kThreads) {
    const auto [row, col] = place_of(word, tiles_across);
    const unsigned four =
        *reinterpret_cast<const unsigned*>(swizzled + swizzle_offset(row, col, cols));
    for (int i = 0; i < kSwizzleTileCols && col + i < cols; ++i) {
      scale[row * cols + col + i] = static_cast<std::uint8_t>(four >> (8 * i));
    }
  }
}

unsigned groups(std::int64_t words) {
  const std::int64_t needed = ceil_div(words, kThreads);
  return static_cast<unsigned>(needed < kMaxGroups ? needed : kMaxGroups);
}

const char* last_error() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace

const char* swizzle_scales_cuda(const SwizzleScalesCudaArgs& args) {
  const std::int64_t words = swizzled_bytes(args.rows, args.cols) / kSwizzleTileCols;
  if (words == 0) return nullptr;
  swizzle<<<groups(words), kThreads, 0, static_cast<cudaStream_t>(args.stream)>>>(
      args.scale, args.rows, args.cols, words, args.swizzled);
  return last_error();
}

const char* unswizzle_scales_cuda(const UnswizzleScalesCudaArgs& args) {
  const std::int64_t words = args.rows * ceil_div(args.cols, kSwizzleTileCols);
  if (words == 0) return nullptr;
  unswizzle<<<groups(words), kThreads, 0, static_cast<cudaStream_t>(args.stream)>>>(
      args.swizzled, args.rows, args.cols, words, args.scale);
  return last_error();
}

}  // namespace lowp::kernels
