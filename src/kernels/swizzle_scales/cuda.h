#pragma once

#include <cstdint>

namespace lowp::kernels {

// swizzle_scales and unswizzle_scales on the GPU. Each returns nullptr, or the CUDA error's text.
struct SwizzleScalesCudaArgs {
  const std::uint8_t* scale;  // (rows, cols)
  std::int64_t rows;
  std::int64_t cols;
  std::uint8_t* swizzled;  // swizzled_bytes(rows, cols)
  void* stream;            // cudaStream_t
};
const char* swizzle_scales_cuda(const SwizzleScalesCudaArgs& args);

struct UnswizzleScalesCudaArgs {
  const std::uint8_t* swizzled;
  std::uint8_t* scale;  // (rows, cols)
  std::int64_t rows;
  std::int64_t cols;
  void* stream;
};
const char* unswizzle_scales_cuda(const UnswizzleScalesCudaArgs& args);

}  // namespace lowp::kernels
