// lowp::linear_fp8 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/quantize_fp8/cuda.h"
#include "ops/cuda/linear_dynamic.h"
#include "ops/cuda/scaled_mm.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_fp8";

using kernels::ScaleRecipe;

// How the weight and x are scaled: per tensor, per row, or 128x128 with 1x128.
struct Recipes {
  ScaleRecipe weight;
  ScaleRecipe x;
};

Recipes check_weight_block(Shape block) {
  const auto is = [&](std::int64_t rows, std::int64_t cols) {
    return block.size() == 2 && block[0] == rows && block[1] == cols;
  };
  if (is(-1, -1)) return {ScaleRecipe::kTensor, ScaleRecipe::kTensor};
  if (is(1, -1)) return {ScaleRecipe::kRow, ScaleRecipe::kRow};
  if (is(128, 128)) return {ScaleRecipe::k128x128, ScaleRecipe::k1x128};
  fail(kName, "weight_block is not known", to_string(block), "(-1, -1), (1, -1) or (128, 128)");
}

kernels::Block x_block(ScaleRecipe recipe, const kernels::Matrix& x) {
  if (recipe == ScaleRecipe::kTensor) return {x.rows, x.cols};
  return {1, recipe == ScaleRecipe::kRow ? x.cols : 128};
}

// Codes and scales side by side, as quantize_fp8 writes them.
kernels::ScaledOperand operand(const void* codes, const float* scale, ScaleRecipe recipe,
                               std::int64_t k) {
  const bool blocks = recipe == ScaleRecipe::k1x128 || recipe == ScaleRecipe::k128x128;
  return {
      .codes = codes,
      .dtype = DType::kF8E4M3,
      .row_stride = k,
      .batch_stride = 0,
      .recipe = recipe,
      .scale = scale,
      .scale_row_stride = recipe == ScaleRecipe::kTensor ? 0
                          : blocks                       ? ceil_div(k, 128)
                                                         : 1,
      .scale_block_stride = blocks ? 1 : 0,
      .scale_batch_stride = 0,
      .swizzled = false,
      .tensor_scale = nullptr,
  };
}

// The product without x's codes, which have no place yet.
kernels::ScaledMmArgs check(const Tensor& x, const DynamicOperands& operands, const Tensor& weight,
                            const Tensor& weight_scale, Recipes recipes) {
  const std::int64_t n = weight.size(0);
  const std::int64_t k = weight.size(1);
  if (k % 16 != 0) {
    fail(kName, "weight's columns are no multiple of 16", std::to_string(k),
         "a multiple of 16 on the GPU");
  }
  check_same_device({kName, "weight_scale", weight_scale}, x);
  const bool tensor = recipes.weight == ScaleRecipe::kTensor;
  const bool blocks = recipes.weight == ScaleRecipe::k128x128;
  check_cuda_dense({kName, "weight_scale", weight_scale}, ScalarType::Float,
                   {tensor   ? 1
                    : blocks ? ceil_div(n, 128)
                             : n,
                    blocks ? ceil_div(k, 128) : 1});
  kernels::ScaledMmArgs args{};
  args.a = operand(nullptr, nullptr, recipes.x, k);
  args.b = operand(weight.const_data_ptr(), data<float>(weight_scale), recipes.weight, k);
  args.batch = 1;
  args.m = operands.x.rows;
  args.n = n;
  args.k = k;
  args.bias = operands.bias;
  args.bias_dtype = operands.bias_dtype;
  args.out = operands.out;
  args.out_dtype = operands.out_dtype;
  args.fast_accumulation = true;
  args.after_quantize = true;
  return args;
}

void linear_fp8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    Shape weight_block, const std::optional<Tensor>& bias, const Tensor& out) {
  const DynamicWeight shape =
      check_dynamic_weight({kName, "weight", weight}, x, ScalarType::Float8_e4m3fn);
  const DynamicOperands operands = check_dynamic(kName, x, shape, bias, out);
  const Recipes recipes = check_weight_block(weight_block);
  auto args = check(x, operands, weight, weight_scale, recipes);
  const Launch launch(x);
  if (args.m == 0 || args.n == 0) return;

  kernels::QuantizeFp8Args quantize{.x = operands.x,
                                    .block = x_block(recipes.x, operands.x),
                                    .element = DType::kF8E4M3,
                                    .scale_dtype = DType::kF32,
                                    .static_scale = nullptr,
                                    .codes = nullptr,
                                    .scale = nullptr,
                                    .parallel = nullptr};
  const kernels::Block block = quantize.block;
  Parts parts;
  const std::int64_t codes = parts.add(args.m * args.k);
  const std::int64_t scale =
      parts.add(ceil_div(args.m, block.rows) * ceil_div(args.k, block.cols) * 4);
  const std::int64_t scratch = parts.add(kernels::quantize_fp8_cuda_workspace(quantize));
  const kernels::ScaledMmSm90& chosen = choose_scaled_mm(kName, args);
  const std::int64_t product = parts.add(chosen.workspace(args));
  const LaunchMemory workspace(launch, parts.size());
  std::byte* const memory = workspace.data();
  quantize.codes = reinterpret_cast<std::uint8_t*>(memory + codes);
  quantize.scale = reinterpret_cast<float*>(memory + scale);
  check_launch(kName, kernels::quantize_fp8_cuda(quantize, memory + scratch, launch.stream));

  args.a.codes = quantize.codes;
  args.a.scale = quantize.scale;
  args.workspace = memory + product;
  args.stream = launch.stream;
  check_launch(kName, chosen.run(args));
}

Tensor linear_fp8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                  Shape weight_block, const std::optional<Tensor>& bias) {
  const DynamicWeight shape =
      check_dynamic_weight({kName, "weight", weight}, x, ScalarType::Float8_e4m3fn);
  const Tensor out = empty_dynamic(kName, x, shape.n);
  linear_fp8_out(x, weight, weight_scale, weight_block, bias, out);
  return out;
}

std::string linear_fp8_implementation(const Tensor& x, const Tensor& weight,
                                      const Tensor& weight_scale, Shape weight_block,
                                      const std::optional<Tensor>& bias) {
  const DynamicWeight shape =
      check_dynamic_weight({kName, "weight", weight}, x, ScalarType::Float8_e4m3fn);
  const DynamicOperands operands =
      check_dynamic(kName, x, shape, bias, empty_dynamic(kName, x, shape.n));
  return choose_scaled_mm(
             kName, check(x, operands, weight, weight_scale, check_weight_block(weight_block)))
      .name;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_fp8", TORCH_BOX(&linear_fp8));
  library.impl("linear_fp8.out", TORCH_BOX(&linear_fp8_out));
  library.impl("linear_fp8.implementation", TORCH_BOX(&linear_fp8_implementation));
}

}  // namespace lowp::ops
