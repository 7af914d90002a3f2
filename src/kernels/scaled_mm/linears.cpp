#include "kernels/linear_fp8/linear_fp8.h"
#include "kernels/linear_mxfp8/linear_mxfp8.h"
#include "kernels/scaled_mm/implementations.h"

namespace lowp::kernels {
namespace {

bool is_e4m3(const ScaledMmArgs& args) {
  return args.a.dtype == DType::kF8E4M3 && args.b.dtype == DType::kF8E4M3;
}

bool has_dense_rows(const ScaledMmArgs& args) {
  return args.a.row_stride == args.k && args.b.row_stride == args.k;
}

// Scales row by row, as the linear kernels take them.
bool has_dense_scales(const ScaledOperand& operand, std::int64_t blocks) {
  return !operand.swizzled && (blocks <= 1 || operand.scale_block_stride == 1) &&
         operand.scale_row_stride == blocks;
}

template <class T>
const T* at(const void* data, std::int64_t offset) {
  return static_cast<const T*>(data) + offset;
}

MutableMatrix output(const ScaledMmArgs& args, std::int64_t batch) {
  const std::int64_t bytes = bits(args.out_dtype) / 8 * args.m * args.n;
  return {static_cast<std::byte*>(args.out) + batch * bytes, args.out_dtype, args.m, args.n,
          args.n};
}

Block block_of(ScaleRecipe recipe, std::int64_t rows, std::int64_t k) {
  if (recipe == ScaleRecipe::kTensor) return {rows, k};
  if (recipe == ScaleRecipe::kRow) return {1, k};
  return {recipe == ScaleRecipe::k1x128 ? 1 : 128, 128};
}

}  // namespace

const char* scaled_mm_refuse_linear_fp8(const ScaledMmArgs& args) {
  if (!is_e4m3(args)) return "operands other than e4m3";
  const ScaleRecipe a = args.a.recipe;
  const ScaleRecipe b = args.b.recipe;
  const bool blocks = a == ScaleRecipe::k1x128 && b == ScaleRecipe::k128x128;
  const bool whole = a == b && (a == ScaleRecipe::kTensor || a == ScaleRecipe::kRow);
  if (!blocks && !whole) return "a pair of recipes that linear_fp8 does not have";
  if (!has_dense_rows(args)) return "rows apart";
  if (args.m == 0 || args.n == 0 || args.k == 0) return "an empty product";
  const std::int64_t count = blocks ? (args.k + 127) / 128 : 1;
  if (a != ScaleRecipe::kTensor &&
      (!has_dense_scales(args.a, count) || !has_dense_scales(args.b, count))) {
    return "scales in another order";
  }
  return nullptr;
}

void scaled_mm_linear_fp8(const ScaledMmArgs& args) {
  for (std::int64_t i = 0; i < args.batch; ++i) {
    linear_fp8({
        .x = at<std::uint8_t>(args.a.codes, i * args.a.batch_stride),
        .x_scale = at<float>(args.a.scale, i * args.a.scale_batch_stride),
        .x_block = block_of(args.a.recipe, args.m, args.k),
        .m = args.m,
        .n = args.n,
        .k = args.k,
        .weight = at<std::uint8_t>(args.b.codes, i * args.b.batch_stride),
        .weight_scale = at<float>(args.b.scale, i * args.b.scale_batch_stride),
        .weight_block = block_of(args.b.recipe, args.n, args.k),
        .bias = static_cast<const float*>(args.bias),
        .out = output(args, i),
        .parallel = args.parallel,
    });
  }
}

const char* scaled_mm_refuse_linear_mxfp8(const ScaledMmArgs& args) {
  if (!is_e4m3(args) || args.a.recipe != ScaleRecipe::k1x32) return "operands other than mxfp8";
  if (!has_dense_rows(args)) return "rows apart";
  if (!has_dense_scales(args.a, args.k / 32) || !has_dense_scales(args.b, args.k / 32)) {
    return "scales in another order";
  }
  return args.m == 0 || args.n == 0 || args.k == 0 ? "an empty product" : nullptr;
}

void scaled_mm_linear_mxfp8(const ScaledMmArgs& args) {
  for (std::int64_t i = 0; i < args.batch; ++i) {
    linear_mxfp8({
        .x = at<std::uint8_t>(args.a.codes, i * args.a.batch_stride),
        .x_scale = at<std::uint8_t>(args.a.scale, i * args.a.scale_batch_stride),
        .m = args.m,
        .n = args.n,
        .k = args.k,
        .weight = at<std::uint8_t>(args.b.codes, i * args.b.batch_stride),
        .weight_scale = at<std::uint8_t>(args.b.scale, i * args.b.scale_batch_stride),
        .bias = static_cast<const float*>(args.bias),
        .out = output(args, i),
        .parallel = args.parallel,
    });
  }
}

}  // namespace lowp::kernels
