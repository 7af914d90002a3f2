#include "kernels/runtime/cuda_shared.h"
#include "kernels/runtime/sm90_tensor_map.h"
#include "kernels/scaled_mm/sm90_blocks.h"
#include "kernels/scaled_mm/sm90_blocks_inl.cuh"

namespace lowp::kernels {
namespace blocks {
namespace {

constexpr unsigned tiles_of(std::int64_t size, unsigned tile) {
  return static_cast<unsigned>((size + tile - 1) / tile);
}

std::int64_t row_bytes(const ScaledOperand& operand, std::int64_t k) {
  return operand.dtype == DType::kF4 ? k / 2 : k;
}

// Why the copy engine does not take the codes, or nullptr.
const char* why_not(const ScaledOperand& operand, std::int64_t k) {
  if (!is_aligned(operand.codes, 16)) return "codes are not aligned to 16 bytes";
  if (operand.row_stride % 16 != 0) return "rows of codes are not a multiple of 16 bytes apart";
  if (operand.batch_stride % 16 != 0) return "matrices are not a multiple of 16 bytes apart";
  if (k % (operand.recipe == ScaleRecipe::k1x16 ? 16 : 32) != 0) return "k is not whole blocks";
  return nullptr;
}

const char* make_map(CUtensorMap& map, const ScaledOperand& operand, const ScaledMmArgs& args,
                     std::int64_t rows, unsigned box_bytes, unsigned box_rows,
                     CUtensorMapSwizzle swizzle) {
  const auto batch = operand.batch_stride == 0 ? std::int64_t{1} : args.batch;
  const auto batch_stride =
      operand.batch_stride == 0 ? operand.row_stride * rows : operand.batch_stride;
  return sm90::make_tensor_map(
      map, sm90::TensorMapSpec<3>{
               .data = operand.codes,
               .dtype = CU_TENSOR_MAP_DATA_TYPE_UINT8,
               .element_bytes = 1,
               .size = {static_cast<std::uint64_t>(row_bytes(operand, args.k)),
                        static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(batch)},
               .stride_bytes = {static_cast<std::uint64_t>(operand.row_stride),
                                static_cast<std::uint64_t>(batch_stride)},
               .box = {box_bytes, box_rows, 1},
               .swizzle = swizzle,
           });
}

cudaError_t multiprocessors(int& count) {
  int device = 0;
  const cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) return error;
  return cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
}

template <class K>
const char* launch(const ScaledMmArgs& args, unsigned clusters) {
  const Problem problem{
      .a = scales_of(args.a, args, args.m),
      .b = scales_of(args.b, args, args.n),
      .tensor_scale_a = args.a.tensor_scale,
      .tensor_scale_b = args.b.tensor_scale,
      .bias = args.bias,
      .out = args.out,
      .bias_dtype = args.bias_dtype,
      .out_dtype = args.out_dtype,
      .m = static_cast<unsigned>(args.m),
      .n = static_cast<unsigned>(args.n),
      .k = static_cast<unsigned>(args.k),
      .steps = tiles_of(args.k, kStep),
      .row_tiles = tiles_of(args.m, K::kRows),
      .col_tiles = tiles_of(args.n, kCluster * kCols),
      .batch = static_cast<unsigned>(args.batch),
      .a_is_batched = args.a.batch_stride != 0,
      .b_is_batched = args.b.batch_stride != 0,
  };
  CUtensorMap a_map{};
  CUtensorMap b_map{};
  const char* error = make_map(a_map, args.a, args, args.m, K::kRowBytes, K::kRows / kCluster,
                               CU_TENSOR_MAP_SWIZZLE_NONE);
  if (error == nullptr) {
    error = make_map(b_map, args.b, args, args.n, K::kRowBytes, kCols,
                     K::kRowBytes == 64 ? CU_TENSOR_MAP_SWIZZLE_64B : CU_TENSOR_MAP_SWIZZLE_32B);
  }
  if (error != nullptr) return error;

  cudaError_t status = allow_shared_memory<multiply_blocks<K>>(K::kSharedBytes);
  if (status != cudaSuccess) return cudaGetErrorString(status);
  const unsigned tiles = problem.batch * problem.row_tiles * problem.col_tiles;
  multiply_blocks<K><<<std::min(clusters, tiles) * kCluster, kThreads, K::kSharedBytes,
                       static_cast<cudaStream_t>(args.stream)>>>(problem, a_map, b_map);
  status = cudaGetLastError();
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}

// Rounds of tiles on the machine times the rows of one.
std::int64_t rounds_cost(const ScaledMmArgs& args, unsigned rows, unsigned clusters) {
  const std::int64_t tiles = args.batch * tiles_of(args.m, rows) *
                             static_cast<std::int64_t>(tiles_of(args.n, kCluster * kCols));
  return (tiles + clusters - 1) / clusters * rows;
}

template <class ChunkA, class ChunkB, unsigned kScaled>
const char* run(const ScaledMmArgs& args) {
  int count = 0;
  if (const cudaError_t error = multiprocessors(count); error != cudaSuccess) {
    return cudaGetErrorString(error);
  }
  const unsigned clusters = std::max(1U, static_cast<unsigned>(count) / kCluster);
  if (rounds_cost(args, 128, clusters) < rounds_cost(args, 256, clusters)) {
    return launch<Kind<ChunkA, ChunkB, kScaled, 1>>(args, clusters);
  }
  return launch<Kind<ChunkA, ChunkB, kScaled, 2>>(args, clusters);
}

const char* run_mxfp8(const ScaledMmArgs& args) {
  const bool a_is_e4m3 = args.a.dtype == DType::kF8E4M3;
  if (args.b.dtype == DType::kF8E4M3) {
    return a_is_e4m3 ? run<E4m3Chunk, E4m3Chunk, 32>(args) : run<E5m2Chunk, E4m3Chunk, 32>(args);
  }
  return a_is_e4m3 ? run<E4m3Chunk, E5m2Chunk, 32>(args) : run<E5m2Chunk, E5m2Chunk, 32>(args);
}

}  // namespace
}  // namespace blocks

const char* refuse_scaled_mm_blocks_sm90(const ScaledMmArgs& args) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 31;
  const bool is_nvfp4 = args.a.recipe == ScaleRecipe::k1x16;
  if (!is_nvfp4 && args.a.recipe != ScaleRecipe::k1x32) return "operands are neither MX nor NVFP4";
  const bool a_is_fp4 = args.a.dtype == DType::kF4;
  const bool b_is_fp4 = args.b.dtype == DType::kF4;
  if (args.a.recipe != args.b.recipe || a_is_fp4 != b_is_fp4) return "operands are not of one kind";
  if (is_nvfp4 && !a_is_fp4) return "a scale of 16 elements that are not e2m1";
  if (args.m >= kLimit || args.n >= kLimit || args.k >= kLimit) return "a side is 2^31 or more";
  for (const ScaledOperand* operand : {&args.a, &args.b}) {
    if (const char* reason = blocks::why_not(*operand, args.k); reason != nullptr) return reason;
  }
  return nullptr;
}

const char* scaled_mm_blocks_sm90(const ScaledMmArgs& args) {
  using blocks::E2m1Chunk;
  if (const char* reason = refuse_scaled_mm_blocks_sm90(args); reason != nullptr) return reason;
  if (args.m == 0 || args.n == 0 || args.batch == 0) return nullptr;
  if (args.a.dtype != DType::kF4) return blocks::run_mxfp8(args);
  return args.a.recipe == ScaleRecipe::k1x16 ? blocks::run<E2m1Chunk, E2m1Chunk, 16>(args)
                                             : blocks::run<E2m1Chunk, E2m1Chunk, 32>(args);
}

}  // namespace lowp::kernels
