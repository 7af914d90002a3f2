// The launch of linear_tiles as a plan says.
#pragma once

#include "kernels/linear_common/sm90_tiles_multiply_inl.cuh"
#include "kernels/linear_common/sm90_tiles_plan.h"
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

// Whether rows of scales and of zeros are aligned to 16 bytes.
inline bool has_vector_scales(const CudaWeight& weight, unsigned scale_cols) {
  const auto fits = [&](const void* data, unsigned bytes) {
    return data == nullptr || (is_aligned(data, 16) && scale_cols * bytes % 16 == 0);
  };
  const auto bytes = static_cast<unsigned>(bits(weight.scale_dtype)) / 8;
  return fits(weight.scale, bytes) && fits(weight.zero, bytes) && fits(weight.zero_point, 1);
}

template <class K>
Problem make_problem(const CudaLinearArgs& args, unsigned splits) {
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
      .splits = splits,
      .parts = splits > 1 ? static_cast<float*>(args.workspace) : nullptr,
      .vector_scales = has_vector_scales(weight, scale_cols),
      .vector_out = weight.n % 8 == 0 && is_aligned(args.out, 16),
  };
}

template <class K>
const char* launch(const CudaLinearArgs& args, const Plan& plan) {
  const Problem problem = make_problem<K>(args, plan.splits);
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
  config.gridDim =
      std::min(plan.clusters, problem.token_tiles * problem.row_tiles * plan.splits) * kCluster;
  config.blockDim = K::kThreads;
  config.dynamicSmemBytes = kSharedBytes;
  config.stream = static_cast<cudaStream_t>(args.stream);
  config.attrs = &attribute;
  config.numAttrs = 1;
  status = cudaLaunchKernelEx(&config, kernel, problem, x_map, code_map);
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}

template <CudaWeightFormat kFormat, class Codes, class Pair, Scaling kScaling, unsigned kTokens>
const char* launch_tokens(const CudaLinearArgs& args, const Plan& plan) {
  return plan.row_groups == 2
             ? launch<Kind<kFormat, Codes, Pair, kScaling, kTokens, 2, 1>>(args, plan)
             : launch<Kind<kFormat, Codes, Pair, kScaling, kTokens, 1, 2>>(args, plan);
}

template <CudaWeightFormat kFormat, class Codes, class Pair, Scaling kScaling>
const char* launch_plan(const CudaLinearArgs& args, const Plan& plan) {
  if (plan.tokens == 256) return launch_tokens<kFormat, Codes, Pair, kScaling, 256>(args, plan);
  if (plan.tokens == 192) return launch_tokens<kFormat, Codes, Pair, kScaling, 192>(args, plan);
  return launch_tokens<kFormat, Codes, Pair, kScaling, 128>(args, plan);
}

}  // namespace
}  // namespace lowp::kernels::tiles
