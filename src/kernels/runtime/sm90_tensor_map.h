// Tensor maps of the copy engine, made on the host: about a microsecond each.
#pragma once

#include <cuda.h>
#include <cudaTypedefs.h>
#include <cuda_runtime.h>

#include <array>
#include <cstdint>

namespace lowp::kernels::sm90 {

// A tensor of up to five dimensions, innermost first, and the box that one copy moves. Rows in
// shared memory are box[0] elements; with a swizzle of 128 bytes they are at most that long.
template <unsigned kDims>
struct TensorMapSpec {
  const void* data;  // aligned to 16 bytes
  CUtensorMapDataType dtype;
  unsigned element_bytes;
  std::array<std::uint64_t, kDims> size;              // elements
  std::array<std::uint64_t, kDims - 1> stride_bytes;  // of dimensions 1..: multiples of 16
  std::array<std::uint32_t, kDims> box;               // elements, at most 256 each
  CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
};

// The driver's encoder, looked up once: nothing links libcuda. nullptr if the driver has none.
inline PFN_cuTensorMapEncodeTiled_v12000 tensor_map_encoder() {
  static const auto encoder = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found{};
    const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function,
                                                               12000, cudaEnableDefault, &found);
    const bool usable = error == cudaSuccess && found == cudaDriverEntryPointSuccess;
    return usable ? reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(function) : nullptr;
  }();
  return encoder;
}

// Writes the map. Returns nullptr, or what is wrong.
template <unsigned kDims>
const char* make_tensor_map(CUtensorMap& map, const TensorMapSpec<kDims>& spec) {
  const auto encoder = tensor_map_encoder();
  if (encoder == nullptr) return "the driver has no cuTensorMapEncodeTiled";
  std::array<std::uint32_t, kDims> steps{};
  steps.fill(1);
  const CUresult result = encoder(
      &map, spec.dtype, kDims, const_cast<void*>(spec.data), spec.size.data(),
      spec.stride_bytes.data(), spec.box.data(), steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE,
      spec.swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? nullptr : "cuTensorMapEncodeTiled refused a tensor map";
}

}  // namespace lowp::kernels::sm90
