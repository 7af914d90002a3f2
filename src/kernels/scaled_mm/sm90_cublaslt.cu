#include <cuda_runtime.h>

#include "kernels/linear_common/sm90_cublaslt.h"
#include "kernels/scaled_mm/sm90_job.h"

namespace lowp::kernels {
namespace {

using sm90::LtScale;

constexpr unsigned kThreads = 128;
constexpr int kBlocksOfThread = 4;  // 16 bytes of scales that lie row by row

std::int64_t blocks_of(std::int64_t k) { return (k + 127) / 128; }
std::int64_t round_up(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }

LtScale lt_scale(ScaleRecipe recipe) {
  switch (recipe) {
    case ScaleRecipe::kTensor:
      return LtScale::kTensor;
    case ScaleRecipe::kRow:
      return LtScale::kRow;
    case ScaleRecipe::k1x128:
      return LtScale::k1x128;
    default:
      return LtScale::k128x128;
  }
}

// Scales (rows, blocks of k) in cuBLASLt's order: those of 1x128 block by block, those of 128x128
// row by row, in rows of a multiple of 4.
struct Order {
  std::int64_t rows;
  std::int64_t blocks;
  std::int64_t row_stride;
  std::int64_t block_stride;
  bool given;  // they lie like that already

  std::int64_t bytes() const {
    if (given) return 0;
    return round_up(4 * (block_stride == 1 ? rows * row_stride : blocks * block_stride));
  }
};

Order order_of(const ScaledOperand& operand, std::int64_t rows, std::int64_t k) {
  const std::int64_t blocks = blocks_of(k);
  const auto is = [&](std::int64_t row, std::int64_t block, std::int64_t row_count) {
    return (operand.scale_row_stride == row || row_count == 1) &&
           (operand.scale_block_stride == block || blocks == 1);
  };
  if (operand.recipe == ScaleRecipe::k1x128) return {rows, blocks, 1, rows, is(1, rows, rows)};
  if (operand.recipe != ScaleRecipe::k128x128) return {1, 1, 1, 1, true};
  const std::int64_t row_blocks = (rows + 127) / 128;
  const std::int64_t stride = (blocks + 3) / 4 * 4;
  return {row_blocks, blocks, stride, 1, is(stride, 1, row_blocks)};
}

// One operand's scales to put in order; `thread_blocks` 0: none.
struct Move {
  const float* from;
  std::int64_t row_stride;
  std::int64_t block_stride;
  float* to;
  Order order;
  unsigned thread_blocks;
};

__device__ void move_scales(const Move& move, std::int64_t thread) {
  const std::int64_t row = thread % move.order.rows;
  const std::int64_t first = thread / move.order.rows * kBlocksOfThread;
#pragma unroll
  for (int i = 0; i < kBlocksOfThread; ++i) {
    const std::int64_t block = first + i;
    if (block >= move.order.blocks) return;
    move.to[row * move.order.row_stride + block * move.order.block_stride] =
        move.from[row * move.row_stride + block * move.block_stride];
  }
}

__global__ void __launch_bounds__(kThreads)
    order_scales(const __grid_constant__ Move a, const __grid_constant__ Move b) {
  if (blockIdx.x < a.thread_blocks) {
    move_scales(a, std::int64_t{blockIdx.x} * kThreads + threadIdx.x);
  } else {
    move_scales(b, std::int64_t{blockIdx.x - a.thread_blocks} * kThreads + threadIdx.x);
  }
}

// The workspace: scales of a and of b that have been put in order, then cuBLASLt's own.
struct Parts {
  Order a;
  Order b;
  std::int64_t b_at;
  std::int64_t lt_at;

  explicit Parts(const ScaledMmArgs& args)
      : a(order_of(args.a, args.m, args.k)),
        b(order_of(args.b, args.n, args.k)),
        b_at(a.bytes()),
        lt_at(b_at + b.bytes()) {}
};

Move move_of(const ScaledOperand& operand, const Order& order, void* workspace, std::int64_t at) {
  const std::int64_t threads =
      order.rows * ((order.blocks + kBlocksOfThread - 1) / kBlocksOfThread);
  return {.from = static_cast<const float*>(operand.scale),
          .row_stride = operand.scale_row_stride,
          .block_stride = operand.scale_block_stride,
          .to = reinterpret_cast<float*>(static_cast<std::byte*>(workspace) + at),
          .order = order,
          .thread_blocks =
              order.given ? 0 : static_cast<unsigned>((threads + kThreads - 1) / kThreads)};
}

const char* put_in_order(const ScaledMmArgs& args, const Parts& parts) {
  const Move a = move_of(args.a, parts.a, args.workspace, 0);
  const Move b = move_of(args.b, parts.b, args.workspace, parts.b_at);
  const unsigned blocks = a.thread_blocks + b.thread_blocks;
  if (blocks == 0) return nullptr;
  order_scales<<<blocks, kThreads, 0, static_cast<cudaStream_t>(args.stream)>>>(a, b);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

sm90::LtOperand lt_operand(const ScaledOperand& operand, const Order& order, void* workspace,
                           std::int64_t at) {
  return {.data = operand.codes,
          .dtype = operand.dtype,
          .row_stride = operand.row_stride,
          .recipe = lt_scale(operand.recipe),
          .scale = order.given ? operand.scale : static_cast<std::byte*>(workspace) + at};
}

sm90::LtProduct lt_product(const ScaledMmArgs& args, const Parts& parts) {
  return {.a = lt_operand(args.a, parts.a, args.workspace, 0),
          .b = lt_operand(args.b, parts.b, args.workspace, parts.b_at),
          .m = args.m,
          .n = args.n,
          .k = args.k,
          .alpha = nullptr,
          .bias = args.bias,
          .bias_dtype = args.bias_dtype,
          .out = args.out,
          .out_dtype = args.out_dtype,
          .fast_accumulation = args.fast_accumulation};
}

const char* refuse_operand(const ScaledOperand& operand, std::int64_t rows) {
  if (operand.recipe == ScaleRecipe::k1x32 || operand.recipe == ScaleRecipe::k1x16) {
    return "scales of 32 or 16 columns";
  }
  if (!is_aligned(operand.codes) || operand.row_stride % 16 != 0) {
    return "rows are not 16 bytes aligned";
  }
  if (!is_aligned(operand.scale)) return "scales are not 16 bytes aligned";
  const bool apart = operand.recipe == ScaleRecipe::kRow && operand.scale_row_stride != 1;
  return apart && rows > 1 ? "scales of rows apart" : nullptr;
}

}  // namespace

const char* refuse_scaled_mm_cublaslt(const ScaledMmArgs& args) {
  if (args.batch > 1) return "a batch";
  if (args.a.dtype == DType::kF8E5M2 && args.b.dtype == DType::kF8E5M2) return "e5m2 by e5m2";
  if (args.k % 16 != 0 || args.n % 16 != 0) return "k or n is no multiple of 16";
  if (const char* reason = refuse_operand(args.a, args.m)) return reason;
  if (const char* reason = refuse_operand(args.b, args.n)) return reason;
  if (!is_aligned(args.out)) return "the output is not 16 bytes aligned";
  if (args.bias != nullptr) {
    if (args.out_dtype == DType::kF32) return "a bias of an fp32 output";
    if (args.bias_dtype != args.out_dtype) return "a bias of another dtype than the output";
    if (!is_aligned(args.bias)) return "the bias is not 16 bytes aligned";
  }
  return scaled_mm_cublaslt_workspace(args) < 0 ? "cuBLASLt has no kernel for it" : nullptr;
}

std::int64_t scaled_mm_cublaslt_workspace(const ScaledMmArgs& args) {
  const Parts parts(args);
  const std::int64_t bytes = sm90::lt_workspace(lt_product(args, parts));
  return bytes < 0 ? -1 : parts.lt_at + bytes;
}

const char* scaled_mm_cublaslt(const ScaledMmArgs& args) {
  const Parts parts(args);
  if (const char* error = put_in_order(args, parts)) return error;
  return sm90::lt_multiply(lt_product(args, parts),
                           static_cast<std::byte*>(args.workspace) + parts.lt_at, args.stream);
}

}  // namespace lowp::kernels
