#include "kernels/linear_fp8_weight_only/linear_fp8_weight_only.h"

#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_fp8_weight_only";
constexpr char kGrouped[] = "lowp::grouped_linear_fp8_weight_only";

kernels::LinearFp8WeightOnlyArgs check(const LinearOperands& operands, const Tensor& weight,
                                       const Tensor& weight_scale, Shape weight_block) {
  const kernels::Block block =
      check_fp8_weight_scale({operands.operation, "weight_scale", weight_scale}, weight_block,
                             {operands.out.cols, operands.x.cols}, operands.experts);
  return {
      .x = operands.x,
      .weight = data<std::uint8_t>(weight),
      .weight_scale = data<float>(weight_scale),
      .weight_block = block,
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_fp8_weight_only_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                                Shape weight_block, const std::optional<Tensor>& bias,
                                const Tensor& out) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  kernels::linear_fp8_weight_only(check(operands, weight, weight_scale, weight_block));
}

Tensor linear_fp8_weight_only(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                              Shape weight_block, const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const Tensor out = empty_output(kName, x, n);
  linear_fp8_weight_only_out(x, weight, weight_scale, weight_block, bias, out);
  return out;
}

std::string linear_fp8_weight_only_implementation(const Tensor& x, const Tensor& weight,
                                                  const Tensor& weight_scale, Shape weight_block,
                                                  const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  return kernels::choose("linear_fp8_weight_only",
                         kernels::linear_fp8_weight_only_implementations(),
                         check(operands, weight, weight_scale, weight_block))
      .name;
}

void grouped_linear_fp8_weight_only_out(const Tensor& x, const Tensor& offsets,
                                        const Tensor& weight, const Tensor& weight_scale,
                                        Shape weight_block, const std::optional<Tensor>& bias,
                                        const Tensor& out) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  kernels::grouped_linear(check(operands, weight, weight_scale, weight_block), groups);
}

Tensor grouped_linear_fp8_weight_only(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                                      const Tensor& weight_scale, Shape weight_block,
                                      const std::optional<Tensor>& bias) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Float8_e4m3fn);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_fp8_weight_only_out(x, offsets, weight, weight_scale, weight_block, bias, out);
  return out;
}

}  // namespace

// x (*, K); weight (N, K) float8_e4m3fn; weight_block [-1, -1] per tensor, [1, -1] per row or
// [128, 128]; weight_scale float32 of the number of blocks along each side. Returns (*, N) of x's
// dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_fp8_weight_only",
                "Tensor x, Tensor weight, Tensor weight_scale, int[] weight_block, "
                "Tensor? bias=None");
  define_grouped_linear(
      library, "grouped_linear_fp8_weight_only",
      "Tensor weight, Tensor weight_scale, int[] weight_block, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_fp8_weight_only", TORCH_BOX(&linear_fp8_weight_only));
  library.impl("linear_fp8_weight_only.out", TORCH_BOX(&linear_fp8_weight_only_out));
  library.impl("linear_fp8_weight_only.implementation",
               TORCH_BOX(&linear_fp8_weight_only_implementation));
  library.impl("grouped_linear_fp8_weight_only", TORCH_BOX(&grouped_linear_fp8_weight_only));
  library.impl("grouped_linear_fp8_weight_only.out",
               TORCH_BOX(&grouped_linear_fp8_weight_only_out));
}

}  // namespace lowp::ops
