#include "kernels/linear_fp8/linear_fp8.h"

#include <algorithm>
#include <cstddef>

#include "kernels/quantize_fp8/quantize_fp8.h"
#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_fp8";
constexpr char kGrouped[] = "lowp::grouped_linear_fp8";

// One scale of x for the tensor, a row, or 1x128 where the weight has 128x128.
kernels::Block block_for(const kernels::Matrix& x, Shape weight_block) {
  if (weight_block[0] == -1) return {x.rows > 0 ? x.rows : 1, x.cols};
  return {1, weight_block[1] == -1 ? x.cols : weight_block[1]};
}

// The activations of one call: codes (M, K), and a scale a block.
struct Activations {
  Activations(const kernels::Matrix& x, kernels::Block block)
      : block(block),
        scale_offset(ceil_div(x.rows * x.cols, 64) * 64),
        memory(scale_offset + ceil_div(x.rows, block.rows) * ceil_div(x.cols, block.cols) * 4) {}

  std::uint8_t* codes() const { return memory.at<std::uint8_t>(0); }
  float* scale() const { return memory.at<float>(scale_offset); }

  kernels::Block block;
  std::int64_t scale_offset;
  Workspace memory;
};

void quantize(const kernels::Matrix& x, kernels::Block block, std::uint8_t* codes, float* scale) {
  kernels::quantize_fp8({
      .x = x,
      .block = block,
      .element = DType::kF8E4M3,
      .scale_dtype = DType::kF32,
      .static_scale = nullptr,
      .codes = codes,
      .scale = scale,
      .parallel = torch_pool(),
  });
}

// The rows of each expert with a scale of their own, which is repeated for every one of them.
void quantize_by_expert(const kernels::Matrix& x, const kernels::RowGroups& groups,
                        const Activations& activations) {
  const std::int64_t row_bytes = x.stride * bits(x.dtype) / 8;
  std::int64_t begin = 0;
  for (std::int64_t expert = 0; expert < groups.count; ++expert) {
    const std::int64_t end = groups.ends[expert];
    if (begin == end) continue;
    const auto* data = static_cast<const std::byte*>(x.data) + begin * row_bytes;
    const kernels::Matrix rows{data, x.dtype, end - begin, x.cols, x.stride};
    float* scale = activations.scale() + begin;
    quantize(rows, {end - begin, x.cols}, activations.codes() + begin * x.cols, scale);
    std::fill(scale + 1, scale + (end - begin), *scale);
    begin = end;
  }
}

kernels::LinearFp8Args make_args(const LinearOperands& operands, const Activations& activations,
                                 const Tensor& weight, const Tensor& weight_scale,
                                 kernels::Block weight_block) {
  return {
      .x = activations.codes(),
      .x_scale = activations.scale(),
      .x_block = activations.block,
      .m = operands.x.rows,
      .n = operands.out.cols,
      .k = operands.x.cols,
      .weight = data<std::uint8_t>(weight),
      .weight_scale = data<float>(weight_scale),
      .weight_block = weight_block,
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_fp8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    Shape weight_block, const std::optional<Tensor>& bias, const Tensor& out) {
  const WeightShape shape = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const kernels::Block block =
      check_fp8_weight_scale({kName, "weight_scale", weight_scale}, weight_block, shape);
  const LinearOperands operands = check_linear(kName, x, shape.n, shape.k, bias, out);
  const Activations activations(operands.x, block_for(operands.x, weight_block));
  quantize(operands.x, activations.block, activations.codes(), activations.scale());
  kernels::linear_fp8(make_args(operands, activations, weight, weight_scale, block));
}

Tensor linear_fp8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                  Shape weight_block, const std::optional<Tensor>& bias) {
  const WeightShape shape = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const Tensor out = empty_output(kName, x, shape.n);
  linear_fp8_out(x, weight, weight_scale, weight_block, bias, out);
  return out;
}

std::string linear_fp8_implementation(const Tensor& x, const Tensor& weight,
                                      const Tensor& weight_scale, Shape weight_block,
                                      const std::optional<Tensor>& bias) {
  const WeightShape shape = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const kernels::Block block =
      check_fp8_weight_scale({kName, "weight_scale", weight_scale}, weight_block, shape);
  const LinearOperands operands =
      check_linear(kName, x, shape.n, shape.k, bias, empty_output(kName, x, shape.n));
  const Activations activations(operands.x, block_for(operands.x, weight_block));
  return kernels::choose("linear_fp8", kernels::linear_fp8_implementations(),
                         make_args(operands, activations, weight, weight_scale, block))
      .name;
}

void grouped_linear_fp8_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                            const Tensor& weight_scale, Shape weight_block,
                            const std::optional<Tensor>& bias, const Tensor& out) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  const kernels::Block block = check_fp8_weight_scale({kGrouped, "weight_scale", weight_scale},
                                                      weight_block, {n, k}, experts);
  const bool per_tensor = weight_block[0] == -1;
  const Activations activations(
      operands.x, per_tensor ? kernels::Block{1, k} : block_for(operands.x, weight_block));
  if (per_tensor) {
    quantize_by_expert(operands.x, groups, activations);
  } else {
    quantize(operands.x, activations.block, activations.codes(), activations.scale());
  }
  kernels::grouped_linear(make_args(operands, activations, weight, weight_scale, block), groups);
}

Tensor grouped_linear_fp8(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                          const Tensor& weight_scale, Shape weight_block,
                          const std::optional<Tensor>& bias) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Float8_e4m3fn);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_fp8_out(x, offsets, weight, weight_scale, weight_block, bias, out);
  return out;
}

}  // namespace

// x (*, K), quantized to float8_e4m3fn inside; weight (N, K) float8_e4m3fn; weight_block [-1, -1]
// (x per tensor), [1, -1] (x per token) or [128, 128] (x in 1x128); weight_scale float32 of the
// number of blocks along each side. Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(
      library, "linear_fp8",
      "Tensor x, Tensor weight, Tensor weight_scale, int[] weight_block, Tensor? bias=None");
  define_grouped_linear(
      library, "grouped_linear_fp8",
      "Tensor weight, Tensor weight_scale, int[] weight_block, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_fp8", TORCH_BOX(&linear_fp8));
  library.impl("linear_fp8.out", TORCH_BOX(&linear_fp8_out));
  library.impl("linear_fp8.implementation", TORCH_BOX(&linear_fp8_implementation));
  library.impl("grouped_linear_fp8", TORCH_BOX(&grouped_linear_fp8));
  library.impl("grouped_linear_fp8.out", TORCH_BOX(&grouped_linear_fp8_out));
}

}  // namespace lowp::ops
