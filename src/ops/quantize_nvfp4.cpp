#include "kernels/quantize_nvfp4/quantize_nvfp4.h"

#include <torch/csrc/stable/library.h>

#include "ops/checks.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_nvfp4";
constexpr std::int64_t kBlock = 16;
// numerics of torchao and TransformerEngine: e4m3's smallest normal, and no floor.
constexpr float kInferenceFloor = 0x1p-6F;
constexpr float kTrainingFloor = 0.0F;

Nvfp4Recipe check_recipe(std::string_view recipe) {
  return check_choice<Nvfp4Recipe>(
      kName, "recipe", recipe,
      {{"inference", Nvfp4Recipe::kInference}, {"training", Nvfp4Recipe::kTraining}});
}

kernels::Matrix check_input(const Tensor& x) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  if (matrix.cols % kBlock != 0) {
    fail(kName, "x has the wrong number of columns", std::to_string(matrix.cols),
         "a multiple of 16");
  }
  return matrix;
}

void quantize_nvfp4_out(const Tensor& x, std::string_view recipe,
                        std::optional<double> block_scale_floor,
                        const std::optional<Tensor>& static_tensor_scale, const Tensor& codes,
                        const Tensor& block_scale, const Tensor& tensor_scale) {
  const kernels::Matrix matrix = check_input(x);
  const Nvfp4Recipe kind = check_recipe(recipe);
  check_dense({kName, "codes", codes}, ScalarType::Byte, {matrix.rows, matrix.cols / 2});
  check_dense({kName, "block_scale", block_scale}, ScalarType::Float8_e4m3fn,
              {matrix.rows, matrix.cols / kBlock});
  check_dense({kName, "tensor_scale", tensor_scale}, ScalarType::Float, {1});
  if (static_tensor_scale) {
    check_dense({kName, "static_tensor_scale", *static_tensor_scale}, ScalarType::Float, {1});
  }
  const float floor = kind == Nvfp4Recipe::kInference ? kInferenceFloor : kTrainingFloor;
  kernels::quantize_nvfp4({
      .x = matrix,
      .recipe = kind,
      .block_scale_floor = block_scale_floor ? static_cast<float>(*block_scale_floor) : floor,
      .static_tensor_scale = static_tensor_scale ? data<float>(*static_tensor_scale) : nullptr,
      .codes = mutable_data<std::uint8_t>(codes),
      .block_scale = mutable_data<std::uint8_t>(block_scale),
      .tensor_scale = mutable_data<float>(tensor_scale),
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor, Tensor> quantize_nvfp4(
    const Tensor& x, std::string_view recipe, std::optional<double> block_scale_floor,
    const std::optional<Tensor>& static_tensor_scale) {
  const kernels::Matrix matrix = check_input(x);
  const Tensor codes = empty({matrix.rows, matrix.cols / 2}, ScalarType::Byte);
  const Tensor block_scale = empty({matrix.rows, matrix.cols / kBlock}, ScalarType::Float8_e4m3fn);
  const Tensor tensor_scale = empty({1}, ScalarType::Float);
  quantize_nvfp4_out(x, recipe, block_scale_floor, static_tensor_scale, codes, block_scale,
                     tensor_scale);
  return {codes, block_scale, tensor_scale};
}

}  // namespace

// x (rows, cols) float32, bfloat16 or float16, cols a multiple of 16; recipe "inference" or
// "training". codes (rows, cols / 2) uint8, e2m1 pairs, even column low; block_scale
// (rows, cols / 16) float8_e4m3fn; tensor_scale (1) float32; x ~ code * block_scale * tensor_scale.
// block_scale_floor defaults to 2^-6 for inference, 0 for training.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_nvfp4(Tensor x, str recipe='inference', float? block_scale_floor=None, "
      "Tensor? static_tensor_scale=None) -> (Tensor codes, Tensor block_scale, Tensor "
      "tensor_scale)");
  library.def(
      "quantize_nvfp4.out(Tensor x, str recipe='inference', float? block_scale_floor=None, "
      "Tensor? static_tensor_scale=None, *, Tensor(a!) codes, Tensor(b!) block_scale, "
      "Tensor(c!) tensor_scale) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_nvfp4", TORCH_BOX(&quantize_nvfp4));
  library.impl("quantize_nvfp4.out", TORCH_BOX(&quantize_nvfp4_out));
}

}  // namespace lowp::ops
