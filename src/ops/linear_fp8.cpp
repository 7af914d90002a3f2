#include "kernels/linear_fp8/linear_fp8.h"

#include "kernels/quantize_fp8/quantize_fp8.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_fp8";

// The activations of one call: codes (M, K), and scales of the blocks that go with the weight's.
struct Activations {
  Activations(const kernels::Matrix& x, Shape weight_block)
      : block(block_for(x, weight_block)),
        scale_offset(ceil_div(x.rows * x.cols, 64) * 64),
        memory(scale_offset + ceil_div(x.rows, block.rows) * ceil_div(x.cols, block.cols) * 4) {}

  // One scale for the tensor, a row, or 1x128 where the weight has 128x128.
  static kernels::Block block_for(const kernels::Matrix& x, Shape weight_block) {
    if (weight_block[0] == -1) return {x.rows > 0 ? x.rows : 1, x.cols};
    return {1, weight_block[1] == -1 ? x.cols : weight_block[1]};
  }

  std::uint8_t* codes() const { return memory.at<std::uint8_t>(0); }
  float* scale() const { return memory.at<float>(scale_offset); }

  kernels::Block block;
  std::int64_t scale_offset;
  Workspace memory;
};

void quantize(const kernels::Matrix& x, const Activations& activations) {
  kernels::quantize_fp8({
      .x = x,
      .block = activations.block,
      .element = DType::kF8E4M3,
      .scale_dtype = DType::kF32,
      .static_scale = nullptr,
      .codes = activations.codes(),
      .scale = activations.scale(),
      .parallel = torch_pool(),
  });
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
  const Activations activations(operands.x, weight_block);
  quantize(operands.x, activations);
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
  const Activations activations(operands.x, weight_block);
  return kernels::choose("linear_fp8", kernels::linear_fp8_implementations(),
                         make_args(operands, activations, weight, weight_scale, block))
      .name;
}

}  // namespace

// x (*, K), quantized to float8_e4m3fn inside; weight (N, K) float8_e4m3fn; weight_block [-1, -1]
// (x per tensor), [1, -1] (x per token) or [128, 128] (x in 1x128); weight_scale float32 of the
// number of blocks along each side. Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(
      library, "linear_fp8",
      "Tensor x, Tensor weight, Tensor weight_scale, int[] weight_block, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_fp8", TORCH_BOX(&linear_fp8));
  library.impl("linear_fp8.out", TORCH_BOX(&linear_fp8_out));
  library.impl("linear_fp8.implementation", TORCH_BOX(&linear_fp8_implementation));
}

}  // namespace lowp::ops
