// Products by the kernels of the linear layers, a matrix of the batch after the other. What these
// do not take as it lies goes to args.workspace first: rows apart, scales in another order, and
// elements of blocks that a weight-only kernel takes as bf16, scale included, in which they are
// exact.
#include <algorithm>

#include "formats/swizzle.h"
#include "kernels/dequantize_mx/dequantize_mx.h"
#include "kernels/dequantize_nvfp4/dequantize_nvfp4.h"
#include "kernels/linear_bf16/linear_bf16.h"
#include "kernels/linear_fp8/linear_fp8.h"
#include "kernels/linear_mxfp4/linear_mxfp4.h"
#include "kernels/linear_mxfp8/linear_mxfp8.h"
#include "kernels/linear_mxfp8_weight_only/linear_mxfp8_weight_only.h"
#include "kernels/linear_nvfp4/linear_nvfp4.h"
#include "kernels/scaled_mm/implementations.h"

namespace lowp::kernels {
namespace {

bool is_fp8(const ScaledOperand& operand) {
  return operand.dtype == DType::kF8E4M3 || operand.dtype == DType::kF8E5M2;
}

const char* refuse_empty(const ScaledMmArgs& args) {
  return args.m == 0 || args.n == 0 || args.k == 0 ? "an empty product" : nullptr;
}

bool in_blocks_of_128(const ScaledOperand& operand) {
  return operand.recipe == ScaleRecipe::k1x128 || operand.recipe == ScaleRecipe::k128x128;
}

// Scales of a row.
std::int64_t blocks_of(const ScaledOperand& operand, std::int64_t k) {
  if (operand.recipe == ScaleRecipe::k1x32) return k / 32;
  if (operand.recipe == ScaleRecipe::k1x16) return k / 16;
  return in_blocks_of_128(operand) ? (k + 127) / 128 : 1;
}

// Row by row, as the linear kernels take them.
bool has_dense_scales(const ScaledOperand& operand, std::int64_t k) {
  const std::int64_t blocks = blocks_of(operand, k);
  return operand.recipe == ScaleRecipe::kTensor ||
         (!operand.swizzled && (blocks == 1 || operand.scale_block_stride == 1) &&
          operand.scale_row_stride == blocks);
}

template <class T>
const T* at(const void* data, std::int64_t offset) {
  return static_cast<const T*>(data) + offset;
}

// to (rows, blocks)
template <class T>
void gather_scales(const ScaledOperand& operand, std::int64_t batch, std::int64_t rows,
                   std::int64_t k, const ParallelFor* parallel, T* to) {
  const std::int64_t blocks = blocks_of(operand, k);
  const std::int64_t rows_a_scale = operand.recipe == ScaleRecipe::k128x128 ? 128 : 1;
  const T* from = at<T>(operand.scale, batch * operand.scale_batch_stride);
  constexpr std::int64_t kWorthAThread = 1 << 14;
  parallel_for(
      parallel, rows, kWorthAThread / blocks + 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          for (std::int64_t i = 0; i < blocks; ++i) {
            const std::int64_t strided =
                row / rows_a_scale * operand.scale_row_stride + i * operand.scale_block_stride;
            to[row * blocks + i] =
                from[operand.swizzled ? swizzle_offset(row, i, blocks) : strided];
          }
        }
      });
}

// Pieces of the workspace, one after the other. Without memory it counts their bytes.
struct Pieces {
  std::byte* memory;
  std::int64_t used = 0;

  template <class T>
  T* take(std::int64_t count) {
    constexpr std::int64_t kAlignment = 64;
    const std::int64_t begin = used;
    const auto bytes = count * static_cast<std::int64_t>(sizeof(T));
    used += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return memory == nullptr ? nullptr : reinterpret_cast<T*>(memory + begin);
  }
};

// Codes and scales of an operand where they lie, or, once for each matrix, in pieces of the
// workspace.
template <class T>
struct Side {
  const ScaledOperand& operand;
  std::int64_t rows;
  std::int64_t k;
  std::int64_t row_bytes;  // of codes
  std::uint8_t* codes_piece;
  bool gathers_scales;
  T* scales_piece;

  Side(const ScaledOperand& operand, std::int64_t rows, std::int64_t k, bool gathers_scales,
       Pieces& pieces)
      : operand(operand),
        rows(rows),
        k(k),
        row_bytes(k * bits(operand.dtype) / 8),
        codes_piece(rows_lie_apart() ? pieces.take<std::uint8_t>(rows * row_bytes) : nullptr),
        gathers_scales(gathers_scales),
        scales_piece(gathers_scales ? pieces.take<T>(rows * blocks_of(operand, k)) : nullptr) {}

  bool rows_lie_apart() const { return operand.row_stride != row_bytes; }

  const std::uint8_t* codes(std::int64_t batch, const ParallelFor* parallel) const {
    const auto* from = at<std::uint8_t>(operand.codes, batch * operand.batch_stride);
    if (!rows_lie_apart()) return from;
    constexpr std::int64_t kWorthAThread = 1 << 16;  // bytes
    parallel_for(
        parallel, rows, kWorthAThread / row_bytes + 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t row = begin; row < end; ++row) {
            std::copy_n(from + row * operand.row_stride, row_bytes, codes_piece + row * row_bytes);
          }
        });
    return codes_piece;
  }

  const T* scales(std::int64_t batch, const ParallelFor* parallel) const {
    if (!gathers_scales) return at<T>(operand.scale, batch * operand.scale_batch_stride);
    gather_scales(operand, batch, rows, k, parallel, scales_piece);
    return scales_piece;
  }
};

MutableMatrix output(const ScaledMmArgs& args, std::int64_t batch) {
  const std::int64_t bytes = bits(args.out_dtype) / 8 * args.m * args.n;
  return {static_cast<std::byte*>(args.out) + batch * bytes, args.out_dtype, args.m, args.n,
          args.n};
}

const float* bias_of(const ScaledMmArgs& args) { return static_cast<const float*>(args.bias); }

struct Fp8Sides {
  Side<float> a;
  Side<float> b;

  // Blocks of 128 rows are the weight's alone.
  Fp8Sides(const ScaledMmArgs& args, Pieces& pieces)
      : a(args.a, args.m, args.k,
          !has_dense_scales(args.a, args.k) || args.a.recipe == ScaleRecipe::k128x128, pieces),
        b(args.b, args.n, args.k, !has_dense_scales(args.b, args.k), pieces) {}

  static Block block(const Side<float>& side) {
    const bool whole = !side.gathers_scales && side.operand.recipe == ScaleRecipe::kTensor;
    const bool square = !side.gathers_scales && side.operand.recipe == ScaleRecipe::k128x128;
    return {whole ? side.rows : (square ? 128 : 1), in_blocks_of_128(side.operand) ? 128 : side.k};
  }
};

// With scales of blocks, e8m0 or e4m3.
struct BlockSides {
  Side<std::uint8_t> a;
  Side<std::uint8_t> b;

  BlockSides(const ScaledMmArgs& args, Pieces& pieces)
      : a(args.a, args.m, args.k, !has_dense_scales(args.a, args.k), pieces),
        b(args.b, args.n, args.k, !has_dense_scales(args.b, args.k), pieces) {}
};

// A matrix of MX elements as bf16, (rows, K).
void decode_mx(const Side<std::uint8_t>& side, std::int64_t batch, const ParallelFor* parallel,
               std::uint16_t* to) {
  dequantize_mx({.codes = side.codes(batch, parallel),
                 .element = side.operand.dtype,
                 .block_size = 32,
                 .scale = side.scales(batch, parallel),
                 .out = {to, DType::kBF16, side.rows, side.k, side.k},
                 .parallel = parallel});
}

// a as bf16, and b.
struct DecodedA {
  BlockSides sides;
  std::uint16_t* piece;  // (M, K)
  float* tensor_scale;   // (2): that of both operands, and 1

  DecodedA(const ScaledMmArgs& args, Pieces& pieces)
      : sides(args, pieces),
        piece(pieces.take<std::uint16_t>(args.m * args.k)),
        tensor_scale(pieces.take<float>(2)) {}

  Matrix of(const ScaledMmArgs& args, std::int64_t batch) const {
    if (args.a.recipe == ScaleRecipe::k1x16) {
      dequantize_nvfp4({.codes = sides.a.codes(batch, args.parallel),
                        .block_scale = sides.a.scales(batch, args.parallel),
                        .tensor_scale = tensor_scale + 1,
                        .out = {piece, DType::kBF16, args.m, args.k, args.k},
                        .parallel = args.parallel});
    } else {
      decode_mx(sides.a, batch, args.parallel, piece);
    }
    return {piece, DType::kBF16, args.m, args.k, args.k};
  }

  void set_tensor_scale(const ScaledMmArgs& args) const {
    const auto scale = [](const float* given) { return given == nullptr ? 1.0F : *given; };
    tensor_scale[0] = scale(args.a.tensor_scale) * scale(args.b.tensor_scale);
    tensor_scale[1] = 1.0F;
  }
};

// Both as bf16.
struct DecodedBoth {
  DecodedA a;
  std::uint16_t* b;  // (N, K)

  DecodedBoth(const ScaledMmArgs& args, Pieces& pieces)
      : a(args, pieces), b(pieces.take<std::uint16_t>(args.n * args.k)) {}
};

Pieces workspace_of(const ScaledMmArgs& args) { return {static_cast<std::byte*>(args.workspace)}; }

template <class Staging>
std::int64_t bytes_of(const ScaledMmArgs& args) {
  Pieces pieces{nullptr};
  const Staging staging(args, pieces);
  return pieces.used;
}

const char* refuse_blocks(const ScaledMmArgs& args, bool of_formats) {
  return of_formats ? refuse_empty(args) : "operands of other formats";
}

// By a weight-only kernel of MX blocks.
template <class Args>
void multiply_decoded(const ScaledMmArgs& args, void (*multiply)(const Args&)) {
  Pieces pieces = workspace_of(args);
  const DecodedA a(args, pieces);
  for (std::int64_t i = 0; i < args.batch; ++i) {
    multiply({
        .x = a.of(args, i),
        .weight = a.sides.b.codes(i, args.parallel),
        .weight_scale = a.sides.b.scales(i, args.parallel),
        .bias = bias_of(args),
        .out = output(args, i),
        .parallel = args.parallel,
    });
  }
}

}  // namespace

const char* scaled_mm_refuse_linear_fp8(const ScaledMmArgs& args) {
  if (!is_fp8(args.a) || !is_fp8(args.b)) return "operands other than float8";
  if (args.a.recipe == ScaleRecipe::k1x32) return "scales of MX blocks";
  return refuse_empty(args);
}

void scaled_mm_linear_fp8(const ScaledMmArgs& args) {
  Pieces pieces = workspace_of(args);
  const Fp8Sides sides(args, pieces);
  for (std::int64_t i = 0; i < args.batch; ++i) {
    linear_fp8({
        .x = sides.a.codes(i, args.parallel),
        .x_scale = sides.a.scales(i, args.parallel),
        .x_block = Fp8Sides::block(sides.a),
        .m = args.m,
        .n = args.n,
        .k = args.k,
        .weight = sides.b.codes(i, args.parallel),
        .weight_scale = sides.b.scales(i, args.parallel),
        .weight_block = Fp8Sides::block(sides.b),
        .bias = bias_of(args),
        .out = output(args, i),
        .parallel = args.parallel,
        .x_dtype = args.a.dtype,
        .weight_dtype = args.b.dtype,
    });
  }
}

const char* scaled_mm_refuse_linear_mxfp8(const ScaledMmArgs& args) {
  return refuse_blocks(args, args.a.recipe == ScaleRecipe::k1x32 &&
                                 args.a.dtype == DType::kF8E4M3 && args.b.dtype == DType::kF8E4M3);
}

void scaled_mm_linear_mxfp8(const ScaledMmArgs& args) {
  Pieces pieces = workspace_of(args);
  const BlockSides sides(args, pieces);
  for (std::int64_t i = 0; i < args.batch; ++i) {
    linear_mxfp8({
        .x = sides.a.codes(i, args.parallel),
        .x_scale = sides.a.scales(i, args.parallel),
        .m = args.m,
        .n = args.n,
        .k = args.k,
        .weight = sides.b.codes(i, args.parallel),
        .weight_scale = sides.b.scales(i, args.parallel),
        .bias = bias_of(args),
        .out = output(args, i),
        .parallel = args.parallel,
    });
  }
}

const char* scaled_mm_refuse_linear_mxfp8_weight_only(const ScaledMmArgs& args) {
  return refuse_blocks(args, args.b.recipe == ScaleRecipe::k1x32 && args.b.dtype == DType::kF8E4M3);
}

void scaled_mm_linear_mxfp8_weight_only(const ScaledMmArgs& args) {
  multiply_decoded(args, linear_mxfp8_weight_only);
}

const char* scaled_mm_refuse_linear_mxfp4(const ScaledMmArgs& args) {
  return refuse_blocks(args, args.b.recipe == ScaleRecipe::k1x32 && args.b.dtype == DType::kF4);
}

void scaled_mm_linear_mxfp4(const ScaledMmArgs& args) { multiply_decoded(args, linear_mxfp4); }

// A weight of e5m2 blocks has no kernel: b goes to memory too.
const char* scaled_mm_refuse_linear_bf16(const ScaledMmArgs& args) {
  return refuse_blocks(args, args.b.recipe == ScaleRecipe::k1x32 && args.b.dtype == DType::kF8E5M2);
}

void scaled_mm_linear_bf16(const ScaledMmArgs& args) {
  Pieces pieces = workspace_of(args);
  const DecodedBoth both(args, pieces);
  for (std::int64_t i = 0; i < args.batch; ++i) {
    decode_mx(both.a.sides.b, i, args.parallel, both.b);
    linear_bf16({
        .x = both.a.of(args, i),
        .weight = both.b,
        .bias = bias_of(args),
        .out = output(args, i),
        .parallel = args.parallel,
    });
  }
}

const char* scaled_mm_refuse_linear_nvfp4(const ScaledMmArgs& args) {
  return refuse_blocks(args, args.b.recipe == ScaleRecipe::k1x16);
}

void scaled_mm_linear_nvfp4(const ScaledMmArgs& args) {
  Pieces pieces = workspace_of(args);
  const DecodedA a(args, pieces);
  a.set_tensor_scale(args);
  for (std::int64_t i = 0; i < args.batch; ++i) {
    linear_nvfp4({
        .x = a.of(args, i),
        .weight = a.sides.b.codes(i, args.parallel),
        .weight_block_scale = a.sides.b.scales(i, args.parallel),
        .weight_tensor_scale = a.tensor_scale,
        .bias = bias_of(args),
        .out = output(args, i),
        .parallel = args.parallel,
    });
  }
}

std::int64_t scaled_mm_workspace(const ScaledMmArgs& args) {
  if (scaled_mm_refuse_linear_fp8(args) == nullptr) return bytes_of<Fp8Sides>(args);
  if (scaled_mm_refuse_linear_mxfp8(args) == nullptr) return bytes_of<BlockSides>(args);
  if (scaled_mm_refuse_linear_bf16(args) == nullptr) return bytes_of<DecodedBoth>(args);
  return refuse_empty(args) == nullptr ? bytes_of<DecodedA>(args) : 0;
}

}  // namespace lowp::kernels
