// The launch of linear_tiles: tensor maps, and the tile of x that takes the least time.
#pragma once

#include "kernels/linear_common/sm90_tiles_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

using sm90::make_tensor_map;
using sm90::TensorMapSpec;

inline bool is_aligned(const void* pointer, std::uintptr_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

constexpr unsigned tiles_of(std::int64_t size, unsigned tile) {
  return static_cast<unsigned>((size + tile - 1) / tile);
}

template <class K>
const char* make_x_map(CUtensorMap& map, const CudaLinearArgs& args) {
  const bool is_bf16 = args.x_dtype == DType::kBF16;
  return make_tensor_map(
      map,
      TensorMapSpec<2>{
          .data = args.x,
          .dtype = is_bf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
          .element_bytes = 2,
          .size = {static_cast<std::uint64_t>(args.weight.k), static_cast<std::uint64_t>(args.m)},
          .stride_bytes = {static_cast<std::uint64_t>(args.x_stride) * 2},
          .box = {kStep, K::kTokens / kCluster},
      });
}

template <class K>
const char* make_code_map(CUtensorMap& map, const CudaWeight& weight) {
  const auto row_bytes = static_cast<std::uint64_t>(weight.k) * K::Codes::kBits / 8;
  return make_tensor_map(map, TensorMapSpec<2>{
                                  .data = weight.codes,
                                  .dtype = CU_TENSOR_MAP_DATA_TYPE_UINT8,
                                  .element_bytes = 1,
                                  .size = {row_bytes, static_cast<std::uint64_t>(weight.n)},
                                  .stride_bytes = {row_bytes},
                                  .box = {K::kCodeRowBytes, kRows},
                                  .swizzle = K::kCodeRowBytes == 64 ? CU_TENSOR_MAP_SWIZZLE_64B
                                                                    : CU_TENSOR_MAP_SWIZZLE_NONE,
                              });
}

inline cudaError_t multiprocessors(int& count) {
  int device = 0;
  const cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) return error;
  return cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
}

template <class K>
const char* launch(const CudaLinearArgs& args, unsigned clusters) {
  const CudaWeight& weight = args.weight;
  const auto row_bytes = weight.k * K::Codes::kBits / 8;
  const Problem problem{
      .weight = weight,
      .bias = args.bias,
      .out = args.out,
      .m = static_cast<unsigned>(args.m),
      .n = static_cast<unsigned>(weight.n),
      .k = static_cast<unsigned>(weight.k),
      .scale_cols = tiles_of(weight.k, static_cast<unsigned>(weight.group_cols)),
      .steps = tiles_of(weight.k, kStep),
      .token_tiles = tiles_of(args.m, K::kTokens),
      .row_tiles = tiles_of(weight.n, kRows * kCluster),
      .codes_by_copy = row_bytes % 16 == 0 && is_aligned(weight.codes, 16),
      .vector_scales = K::kHasByteScales && tiles_of(weight.k, kStep) * kStep == weight.k &&
                       is_aligned(weight.scale, K::kBlocks),
      .vector_out = weight.n % 8 == 0,
  };
  CUtensorMap x_map{};
  CUtensorMap code_map{};
  const char* error = make_x_map<K>(x_map, args);
  if (error == nullptr && problem.codes_by_copy) error = make_code_map<K>(code_map, weight);
  if (error != nullptr) return error;

  cudaError_t status = cudaFuncSetAttribute(
      linear_tiles<K>, cudaFuncAttributeMaxDynamicSharedMemorySize, K::kSharedBytes);
  if (status != cudaSuccess) return cudaGetErrorString(status);
  const unsigned grid = std::min(clusters, problem.token_tiles * problem.row_tiles) * kCluster;
  linear_tiles<K><<<grid, kThreads, K::kSharedBytes, static_cast<cudaStream_t>(args.stream)>>>(
      problem, x_map, code_map);
  status = cudaGetLastError();
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}

// Rounds of tiles on the machine times what one costs: its products, but at least the decoding.
inline unsigned rounds_cost(const CudaLinearArgs& args, unsigned tokens, unsigned clusters) {
  constexpr unsigned kLeast = 80;  // tokens
  const unsigned tiles = tiles_of(args.m, tokens) * tiles_of(args.weight.n, kRows * kCluster);
  return (tiles + clusters - 1) / clusters * std::max(tokens, kLeast);
}

// The kernel for 64, 128 or 256 tokens a tile.
template <CudaWeightFormat kFormat, class Codes, class Pair, Scaling kScaling>
const char* launch_best(const CudaLinearArgs& args) {
  int count = 0;
  if (const cudaError_t error = multiprocessors(count); error != cudaSuccess) {
    return cudaGetErrorString(error);
  }
  const unsigned clusters = std::max(1U, static_cast<unsigned>(count) / kCluster);
  const unsigned of_64 = rounds_cost(args, 64, clusters);
  const unsigned of_128 = rounds_cost(args, 128, clusters);
  const unsigned of_256 = rounds_cost(args, 256, clusters);
  if (of_256 <= of_128 && of_256 <= of_64) {
    return launch<Kind<kFormat, Codes, Pair, kScaling, 256>>(args, clusters);
  }
  if (of_128 <= of_64) return launch<Kind<kFormat, Codes, Pair, kScaling, 128>>(args, clusters);
  return launch<Kind<kFormat, Codes, Pair, kScaling, 64>>(args, clusters);
}

}  // namespace
}  // namespace lowp::kernels::tiles
