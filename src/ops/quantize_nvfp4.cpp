#include "kernels/quantize_nvfp4/quantize_nvfp4.h"

#include <torch/csrc/stable/library.h>

#include "kernels/swizzle_scales/swizzle_scales.h"
#include "ops/nvfp4.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_nvfp4";

void quantize_nvfp4_out(const Tensor& x, std::string_view recipe, std::optional<double> scale_floor,
                        const std::optional<Tensor>& static_tensor_scale, bool swizzled,
                        const Tensor& codes, const Tensor& block_scale,
                        const Tensor& tensor_scale) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const MatrixShape shape = check_block_scale_shape(kName, matrix.rows, matrix.cols, swizzled);
  const Nvfp4Recipe kind = check_recipe(kName, recipe);
  check_dense({kName, "codes", codes}, ScalarType::Byte, {matrix.rows, matrix.cols / 2});
  check_dense({kName, "block_scale", block_scale}, ScalarType::Float8_e4m3fn,
              {shape.rows, shape.cols});
  check_dense({kName, "tensor_scale", tensor_scale}, ScalarType::Float, {1});
  if (static_tensor_scale) {
    check_dense({kName, "static_tensor_scale", *static_tensor_scale}, ScalarType::Float, {1});
  }
  const std::int64_t blocks = matrix.cols / kNvfp4Cols;
  const Tensor plain =
      swizzled ? empty({matrix.rows, blocks}, ScalarType::Float8_e4m3fn) : block_scale;
  kernels::quantize_nvfp4({
      .x = matrix,
      .recipe = kind,
      .block_scale_floor = block_scale_floor(kind, scale_floor),
      .static_tensor_scale = static_tensor_scale ? data<float>(*static_tensor_scale) : nullptr,
      .codes = mutable_data<std::uint8_t>(codes),
      .block_scale = mutable_data<std::uint8_t>(plain),
      .tensor_scale = mutable_data<float>(tensor_scale),
      .parallel = torch_pool(),
  });
  if (!swizzled) return;
  kernels::swizzle_scales({
      .scale = data<std::uint8_t>(plain),
      .rows = matrix.rows,
      .cols = blocks,
      .swizzled = mutable_data<std::uint8_t>(block_scale),
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor, Tensor> quantize_nvfp4(const Tensor& x, std::string_view recipe,
                                                  std::optional<double> scale_floor,
                                                  const std::optional<Tensor>& static_tensor_scale,
                                                  bool swizzled) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const MatrixShape shape = check_block_scale_shape(kName, matrix.rows, matrix.cols, swizzled);
  const Tensor codes = empty({matrix.rows, matrix.cols / 2}, ScalarType::Byte);
  const Tensor block_scale = empty({shape.rows, shape.cols}, ScalarType::Float8_e4m3fn);
  const Tensor tensor_scale = empty({1}, ScalarType::Float);
  quantize_nvfp4_out(x, recipe, scale_floor, static_tensor_scale, swizzled, codes, block_scale,
                     tensor_scale);
  return {codes, block_scale, tensor_scale};
}

}  // namespace

// x (rows, cols) float32, bfloat16 or float16, cols a multiple of 16; recipe "inference" or
// "training". codes (rows, cols / 2) uint8, e2m1 pairs, even column low; block_scale
// (rows, cols / 16) float8_e4m3fn, swizzled: in the 32_4_4 layout, as swizzle_scales gives it;
// tensor_scale (1) float32; x ~ code * block_scale * tensor_scale.
// block_scale_floor defaults to 2^-6 for inference, 0 for training.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_nvfp4(Tensor x, str recipe='inference', float? block_scale_floor=None, "
      "Tensor? static_tensor_scale=None, bool swizzled=False) -> (Tensor codes, Tensor "
      "block_scale, Tensor tensor_scale)");
  library.def(
      "quantize_nvfp4.out(Tensor x, str recipe='inference', float? block_scale_floor=None, "
      "Tensor? static_tensor_scale=None, bool swizzled=False, *, Tensor(a!) codes, Tensor(b!) "
      "block_scale, Tensor(c!) tensor_scale) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_nvfp4", TORCH_BOX(&quantize_nvfp4));
  library.impl("quantize_nvfp4.out", TORCH_BOX(&quantize_nvfp4_out));
}

}  // namespace lowp::ops
