// The launch of sm90_gemm_inl.cuh's kernel: tensor maps, grid.
#pragma once

#include <algorithm>

#include "kernels/linear_common/sm90_gemm_inl.cuh"
#include "kernels/runtime/cuda_shared.h"
#include "kernels/runtime/sm90_tensor_map.h"

namespace lowp::kernels::sm90 {
namespace {

// batch x (rows, K) bytes.
struct GemmOperand {
  const void* codes;
  std::int64_t rows;
  std::int64_t row_stride;
  std::int64_t batch;
  std::int64_t batch_stride;
};

inline const char* make_operand_map(CUtensorMap& map, const GemmOperand& operand, int k, int rows) {
  const auto size = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  return make_tensor_map<3>(
      map, {.data = operand.codes,
            .dtype = CU_TENSOR_MAP_DATA_TYPE_UINT8,
            .element_bytes = 1,
            .size = {size(k), size(operand.rows), size(operand.batch)},
            .stride_bytes = {size(operand.row_stride),
                             size(operand.batch > 1 ? operand.batch_stride
                                                    : operand.rows * operand.row_stride)},
            .box = {kTileDepth, static_cast<std::uint32_t>(rows), 1}});
}

inline const char* make_output_map(CUtensorMap& map, const GemmParams& params) {
  const auto size = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  const bool wide = params.finish.out_dtype == DType::kF32;
  const unsigned bytes = wide ? 4 : 2;
  const CUtensorMapDataType dtype = wide ? CU_TENSOR_MAP_DATA_TYPE_FLOAT32
                                    : params.finish.out_dtype == DType::kBF16
                                        ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                                        : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  const std::uint64_t row = size(params.size.n) * bytes;
  return make_tensor_map<3>(
      map, {.data = params.finish.out,
            .dtype = dtype,
            .element_bytes = bytes,
            .size = {size(params.size.n), size(params.size.m), size(params.tiles.batch)},
            .stride_bytes = {row, row * size(params.size.m)},
            .box = {128 / bytes, kRowsOfWarp, 1}});
}

inline int multiprocessors() {
  int device = 0;
  int count = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return count;
}

// Waves of tiles of 128 by `columns` over the multiprocessors, in columns.
inline double wave_cost(std::int64_t m, std::int64_t n, std::int64_t batch, std::int64_t columns) {
  const std::int64_t tiles = (m + 127) / 128 * ((n + columns - 1) / columns) * batch;
  const std::int64_t at_once = multiprocessors();
  return static_cast<double>((tiles + at_once - 1) / at_once * columns);
}

// Whether tiles of 256 columns are faster than those of 128, which reach about 0.93 of their rate.
inline bool wide_is_faster(std::int64_t m, std::int64_t n, std::int64_t batch) {
  return 0.93 * wave_cost(m, n, batch, 256) <= wave_cost(m, n, batch, 128);
}

inline void set_dividers(GemmTiles& tiles) {
  const auto divider = [](int by) { return Divider(static_cast<unsigned>(by)); };
  const int rest = tiles.rows % tiles.group;
  tiles.of_matrix = divider(tiles.rows * tiles.columns);
  tiles.of_group = divider(tiles.group * tiles.columns);
  tiles.of_rows = divider(tiles.group);
  tiles.of_last_rows = divider(rest == 0 ? tiles.group : rest);
}

// `after_previous`: the kernel before in the stream writes what belongs to A; this one may start
// before it has ended.
template <class Config>
const char* launch_gemm(const GemmOperand& a, const GemmOperand& b, GemmParams params,
                        bool after_previous, cudaStream_t stream) {
  const auto tiles = [](int size, int tile) { return (size + tile - 1) / tile; };
  params.tiles.rows = tiles(params.size.m, kTileRows);
  params.tiles.columns = tiles(params.size.n, Config::kColumns);
  set_dividers(params.tiles);
  CUtensorMap map_a;
  CUtensorMap map_b;
  CUtensorMap map_out{};
  if (const char* error = make_operand_map(map_a, a, params.size.k, kTileRows)) return error;
  if (const char* error = make_operand_map(map_b, b, params.size.k, Config::kColumns)) return error;
  if (params.finish.by_copy_engine) {
    if (const char* error = make_output_map(map_out, params)) return error;
  }

  cudaError_t error = allow_shared_memory<gemm<Config>>(Config::kShared);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  const int blocks =
      std::min(multiprocessors(), params.tiles.rows * params.tiles.columns * params.tiles.batch);
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = Config::kShared;
  config.stream = stream;
  config.attrs = &overlap;
  config.numAttrs = after_previous ? 1 : 0;
  error = cudaLaunchKernelEx(&config, gemm<Config>, map_a, map_b, map_out, params);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace
}  // namespace lowp::kernels::sm90
