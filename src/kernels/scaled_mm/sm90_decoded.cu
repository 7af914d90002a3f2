#include "kernels/linear_common/sm90_cublaslt.h"
#include "kernels/scaled_mm/sm90_blocks.h"
#include "kernels/scaled_mm/sm90_blocks_decode_inl.cuh"
#include "kernels/scaled_mm/sm90_job.h"

namespace lowp::kernels {
namespace blocks {
namespace {

constexpr unsigned kDecodeThreads = 128;
constexpr unsigned kDecodeRows = 4;  // of a block: as many loads of a thread are on their way
constexpr std::int64_t kMostDecoded = std::int64_t{4} << 30;  // bytes

struct DecodeOperand {
  const std::uint8_t* codes;
  std::int64_t row_stride;  // bytes
  Scales scales;
  const float* tensor_scale;
  unsigned rows;
};

struct DecodeJob {
  DecodeOperand a;
  DecodeOperand b;
  unsigned a_blocks;   // thread blocks of a
  unsigned chunks;     // of 16 elements in a row
  std::uint16_t* out;  // bf16 (M + N, K), a first
  float* alpha;        // (2): the product of the tensor scales, 0
};

template <class Chunk>
struct Loaded {
  unsigned words[Chunk::kWords];
  unsigned scale;
};

template <class Chunk, unsigned kScaled>
__device__ Loaded<Chunk> load_chunk(const DecodeOperand& operand, unsigned row, unsigned chunk) {
  Loaded<Chunk> loaded;
  const std::uint8_t* codes =
      operand.codes + row * operand.row_stride + chunk * (Chunk::kWords * 4);
  if constexpr (Chunk::kWords == 4) {
    const uint4 words = __ldcs(reinterpret_cast<const uint4*>(codes));
    loaded.words[0] = words.x;
    loaded.words[1] = words.y;
    loaded.words[2] = words.z;
    loaded.words[3] = words.w;
  } else {
    const uint2 words = __ldcs(reinterpret_cast<const uint2*>(codes));
    loaded.words[0] = words.x;
    loaded.words[1] = words.y;
  }
  loaded.scale =
      __ldg(operand.scales.data + scale_place(operand.scales, row, chunk * 16 / kScaled));
  return loaded;
}

// Elements in the order of their chunk, the same for both operands.
template <class Chunk, unsigned kScaled>
__device__ void store_chunk(const Loaded<Chunk>& loaded, std::uint16_t* out) {
  const unsigned scale = scale_pair<kScaled == 16>(loaded.scale, 0);
  unsigned pairs[8];
#pragma unroll
  for (unsigned i = 0; i < 8; ++i) {
    pairs[i] = Bf16Pair::multiply(Chunk::pair(loaded.words, i / 2, i % 2), scale);
  }
  auto* to = reinterpret_cast<uint4*>(out);
  to[0] = uint4{pairs[0], pairs[1], pairs[2], pairs[3]};
  to[1] = uint4{pairs[4], pairs[5], pairs[6], pairs[7]};
}

template <class Chunk, unsigned kScaled>
__device__ void decode_rows(const DecodeOperand& operand, unsigned first, unsigned chunks,
                            std::uint16_t* out) {
  for (unsigned chunk = threadIdx.x; chunk < chunks; chunk += kDecodeThreads) {
    Loaded<Chunk> loaded[kDecodeRows];
#pragma unroll
    for (unsigned i = 0; i < kDecodeRows; ++i) {
      loaded[i] = load_chunk<Chunk, kScaled>(operand, min(first + i, operand.rows - 1), chunk);
    }
#pragma unroll
    for (unsigned i = 0; i < kDecodeRows; ++i) {
      const unsigned row = first + i;
      if (row >= operand.rows) break;
      store_chunk<Chunk, kScaled>(loaded[i], out + (std::int64_t{row} * chunks + chunk) * 16);
    }
  }
}

template <class ChunkA, class ChunkB, unsigned kScaled>
__global__ void __launch_bounds__(kDecodeThreads) decode(const __grid_constant__ DecodeJob job) {
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    const float a = job.a.tensor_scale == nullptr ? 1.0F : *job.a.tensor_scale;
    const float b = job.b.tensor_scale == nullptr ? 1.0F : *job.b.tensor_scale;
    job.alpha[0] = a * b;
    job.alpha[1] = 0.0F;
  }
  if (blockIdx.x < job.a_blocks) {
    decode_rows<ChunkA, kScaled>(job.a, blockIdx.x * kDecodeRows, job.chunks, job.out);
  } else {
    decode_rows<ChunkB, kScaled>(job.b, (blockIdx.x - job.a_blocks) * kDecodeRows, job.chunks,
                                 job.out + std::int64_t{job.a.rows} * job.chunks * 16);
  }
}

DecodeOperand decode_operand(const ScaledOperand& operand, const ScaledMmArgs& args,
                             std::int64_t rows) {
  return {.codes = static_cast<const std::uint8_t*>(operand.codes),
          .row_stride = operand.row_stride,
          .scales = scales_of(operand, args, rows),
          .tensor_scale = operand.tensor_scale,
          .rows = static_cast<unsigned>(rows)};
}

// The parts of the workspace: decoded operands; from a multiple of 256 on factors; 256 bytes
// further cuBLASLt's.
std::int64_t decoded_bytes(const ScaledMmArgs& args) { return 2 * (args.m + args.n) * args.k; }
std::int64_t factors_at(const ScaledMmArgs& args) {
  return (decoded_bytes(args) + 255) / 256 * 256;
}
std::int64_t own_bytes(const ScaledMmArgs& args) { return factors_at(args) + 256; }

template <class ChunkA, class ChunkB, unsigned kScaled>
const char* launch_decode(const ScaledMmArgs& args) {
  const auto blocks = [](std::int64_t rows) {
    return static_cast<unsigned>((rows + kDecodeRows - 1) / kDecodeRows);
  };
  auto* memory = static_cast<std::byte*>(args.workspace);
  const DecodeJob job{.a = decode_operand(args.a, args, args.m),
                      .b = decode_operand(args.b, args, args.n),
                      .a_blocks = blocks(args.m),
                      .chunks = static_cast<unsigned>(args.k / 16),
                      .out = reinterpret_cast<std::uint16_t*>(memory),
                      .alpha = reinterpret_cast<float*>(memory + factors_at(args))};
  decode<ChunkA, ChunkB, kScaled><<<job.a_blocks + blocks(args.n), kDecodeThreads, 0,
                                    static_cast<cudaStream_t>(args.stream)>>>(job);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

const char* decode_operands(const ScaledMmArgs& args) {
  if (args.a.recipe == ScaleRecipe::k1x16) return launch_decode<E2m1Chunk, E2m1Chunk, 16>(args);
  if (args.a.dtype == DType::kF4) return launch_decode<E2m1Chunk, E2m1Chunk, 32>(args);
  const bool a_is_e4m3 = args.a.dtype == DType::kF8E4M3;
  if (args.b.dtype == DType::kF8E4M3) {
    return a_is_e4m3 ? launch_decode<E4m3Chunk, E4m3Chunk, 32>(args)
                     : launch_decode<E5m2Chunk, E4m3Chunk, 32>(args);
  }
  return a_is_e4m3 ? launch_decode<E4m3Chunk, E5m2Chunk, 32>(args)
                   : launch_decode<E5m2Chunk, E5m2Chunk, 32>(args);
}

sm90::LtProduct decoded_product(const ScaledMmArgs& args) {
  const auto* memory = static_cast<const std::byte*>(args.workspace);
  const auto operand = [&](std::int64_t row) {
    return sm90::LtOperand{.data = memory + 2 * row * args.k,
                           .dtype = DType::kBF16,
                           .row_stride = args.k,
                           .recipe = sm90::LtScale::kNone,
                           .scale = nullptr};
  };
  const bool has_scale = args.a.tensor_scale != nullptr || args.b.tensor_scale != nullptr;
  return {.a = operand(0),
          .b = operand(args.m),
          .m = args.m,
          .n = args.n,
          .k = args.k,
          .alpha = has_scale ? reinterpret_cast<const float*>(memory + factors_at(args)) : nullptr,
          .bias = args.bias,
          .bias_dtype = args.bias_dtype,
          .out = args.out,
          .out_dtype = args.out_dtype,
          .fast_accumulation = false};
}

}  // namespace
}  // namespace blocks

const char* refuse_scaled_mm_decoded(const ScaledMmArgs& args) {
  if (const char* reason = refuse_scaled_mm_blocks_sm90(args)) return reason;
  if (args.batch > 1) return "a batch";
  if (args.n % 8 != 0) return "n is no multiple of 8";
  if (args.bias != nullptr && args.bias_dtype != args.out_dtype) {
    return "a bias of another dtype than the output";
  }
  if (!is_aligned(args.out) || !is_aligned(args.bias)) {
    return "the output or the bias is not 16 bytes aligned";
  }
  if (blocks::decoded_bytes(args) > blocks::kMostDecoded) return "decoded operands of over 4 GiB";
  return sm90::lt_workspace(blocks::decoded_product(args)) < 0 ? "cuBLASLt has no kernel for it"
                                                               : nullptr;
}

std::int64_t scaled_mm_decoded_workspace(const ScaledMmArgs& args) {
  return blocks::own_bytes(args) + sm90::lt_workspace(blocks::decoded_product(args));
}

const char* scaled_mm_decoded(const ScaledMmArgs& args) {
  if (const char* error = blocks::decode_operands(args)) return error;
  return sm90::lt_multiply(blocks::decoded_product(args),
                           static_cast<std::byte*>(args.workspace) + blocks::own_bytes(args),
                           args.stream);
}

}  // namespace lowp::kernels
