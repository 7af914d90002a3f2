// The launch of linear_tiles: tensor maps, and the tile that takes the least time.
#pragma once

#include <limits>

#include "kernels/linear_common/sm90_tiles_multiply_inl.cuh"
#include "kernels/linear_common/sm90_tiles_prepare_inl.cuh"
#include "kernels/runtime/sm90_tensor_map.h"

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
const char* make_x_map(CUtensorMap& map, const CudaLinearArgs& args, unsigned tile_tokens) {
  const bool is_bf16 = args.x_dtype == DType::kBF16;
  return make_tensor_map(
      map,
      TensorMapSpec<2>{
          .data = args.x,
          .dtype = is_bf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
          .element_bytes = 2,
          .size = {static_cast<std::uint64_t>(args.weight.k), static_cast<std::uint64_t>(args.m)},
          .stride_bytes = {static_cast<std::uint64_t>(args.x_stride) * 2},
          .box = {kStep, tile_tokens / kCluster},
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
                                  .box = {K::kCodeRowBytes, K::kRows},
                                  .swizzle = CU_TENSOR_MAP_SWIZZLE_NONE,
                              });
}

inline cudaError_t multiprocessors(int& count) {
  int device = 0;
  const cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) return error;
  return cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
}

// Whether rows of scales and of zeros are aligned to 16 bytes.
inline bool has_vector_scales(const CudaWeight& weight, unsigned scale_cols) {
  const auto fits = [&](const void* data, unsigned bytes) {
    return data == nullptr || (is_aligned(data, 16) && scale_cols * bytes % 16 == 0);
  };
  const auto bytes = static_cast<unsigned>(bits(weight.scale_dtype)) / 8;
  return fits(weight.scale, bytes) && fits(weight.zero, bytes) && fits(weight.zero_point, 1);
}

template <class K>
Problem make_problem(const CudaLinearArgs& args) {
  const CudaWeight& weight = args.weight;
  const auto group_cols = static_cast<unsigned>(std::min(weight.group_cols, weight.k));
  const unsigned scale_cols = tiles_of(weight.k, group_cols);
  const std::uint64_t group = group_cols / 16;  // in units of 16 columns
  const unsigned token_tiles = tiles_of(args.m, K::kTokens);
  return {
      .weight = weight,
      .bias = args.bias,
      .out = args.out,
      .m = static_cast<unsigned>(args.m),
      .n = static_cast<unsigned>(weight.n),
      .k = static_cast<unsigned>(weight.k),
      .scale_cols = scale_cols,
      .group_reciprocal =
          scale_cols == 1 ? 0
                          : static_cast<unsigned>(((std::uint64_t{1} << 32) + group - 1) / group),
      .row_reciprocal = weight.group_rows == 1
                            ? 0
                            : ~std::uint64_t{0} / static_cast<std::uint64_t>(weight.group_rows) + 1,
      .steps = tiles_of(weight.k, kStep),
      .tile_tokens = tiles_of(args.m, token_tiles * 16) * 16,
      .token_tiles = token_tiles,
      .row_tiles = tiles_of(weight.n, K::kRows * kCluster),
      .vector_scales = has_vector_scales(weight, scale_cols),
      .vector_out = weight.n % 8 == 0 && is_aligned(args.out, 16),
  };
}

template <class K>
const char* launch(const CudaLinearArgs& args, unsigned clusters) {
  const Problem problem = make_problem<K>(args);
  CUtensorMap x_map{};
  CUtensorMap code_map{};
  if (const char* error = make_x_map<K>(x_map, args, problem.tile_tokens)) return error;
  if (const char* error = make_code_map<K>(code_map, args.weight)) return error;
  auto* kernel = linear_tiles<K>;
  cudaError_t status =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes);
  if (status != cudaSuccess) return cudaGetErrorString(status);
  // Blocks may start while the kernel before ends; they wait for it before they read what it wrote.
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = std::min(clusters, problem.token_tiles * problem.row_tiles) * kCluster;
  config.blockDim = K::kThreads;
  config.dynamicSmemBytes = kSharedBytes;
  config.stream = static_cast<cudaStream_t>(args.stream);
  config.attrs = &attribute;
  config.numAttrs = 1;
  status = cudaLaunchKernelEx(&config, kernel, problem, x_map, code_map);
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}

// Cycles: rounds of tiles on the machine times what one costs, its steps as they were measured. Two
// warpgroups that share rows cost less a row, but x comes twice as often.
template <class K>
std::uint64_t cost_of(const CudaLinearArgs& args, unsigned clusters) {
  constexpr bool kInTurns = K::kDepth == 2;
  constexpr unsigned kCycles = K::kTokens == 256   ? (kInTurns ? 730 : 1240)
                               : K::kTokens == 192 ? (kInTurns ? 610 : 1050)
                                                   : (kInTurns ? 480 : 860);
  constexpr unsigned kEnds = 4000;
  const std::uint64_t tiles =
      std::uint64_t{tiles_of(args.m, K::kTokens)} * tiles_of(args.weight.n, K::kRows * kCluster);
  const unsigned steps = tiles_of(args.weight.k, kStep);
  return (tiles + clusters - 1) / clusters * (std::uint64_t{steps} * kCycles + kEnds);
}

template <class K>
void consider(const CudaLinearArgs& args, unsigned clusters, std::uint64_t& least,
              const char* (*&best)(const CudaLinearArgs&, unsigned)) {
  const std::uint64_t cost = cost_of<K>(args, clusters);
  if (cost >= least) return;
  least = cost;
  best = launch<K>;
}

template <CudaWeightFormat kFormat, class Codes, class Pair, Scaling kScaling>
const char* launch_best(const CudaLinearArgs& args) {
  int count = 0;
  if (const cudaError_t error = multiprocessors(count); error != cudaSuccess) {
    return cudaGetErrorString(error);
  }
  const unsigned clusters = std::max(1U, static_cast<unsigned>(count) / kCluster);
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  const char* (*best)(const CudaLinearArgs&, unsigned) = nullptr;
  consider<Kind<kFormat, Codes, Pair, kScaling, 256, 2, 1>>(args, clusters, least, best);
  consider<Kind<kFormat, Codes, Pair, kScaling, 256, 1, 2>>(args, clusters, least, best);
  consider<Kind<kFormat, Codes, Pair, kScaling, 192, 2, 1>>(args, clusters, least, best);
  consider<Kind<kFormat, Codes, Pair, kScaling, 192, 1, 2>>(args, clusters, least, best);
  consider<Kind<kFormat, Codes, Pair, kScaling, 128, 2, 1>>(args, clusters, least, best);
  consider<Kind<kFormat, Codes, Pair, kScaling, 128, 1, 2>>(args, clusters, least, best);
  return best(args, clusters);
}

}  // namespace
}  // namespace lowp::kernels::tiles
