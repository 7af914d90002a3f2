#include "kernels/linear_mxfp8_weight_only/linear_mxfp8_weight_only.h"

#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_mxfp8_weight_only";
constexpr char kGrouped[] = "lowp::grouped_linear_mxfp8_weight_only";

constexpr std::int64_t kBlock = 32;

kernels::LinearMxfp8WeightOnlyArgs check(const LinearOperands& operands, const Tensor& weight,
                                         const Tensor& weight_scale) {
  check_block_scale({operands.operation, "weight_scale", weight_scale}, ScalarType::Float8_e8m0fnu,
                    {operands.out.cols, operands.x.cols}, kBlock, operands.experts);
  return {
      .x = operands.x,
      .weight = data<std::uint8_t>(weight),
      .weight_scale = data<std::uint8_t>(weight_scale),
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_mxfp8_weight_only_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                                  const std::optional<Tensor>& bias, const Tensor& out) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  kernels::linear_mxfp8_weight_only(check(operands, weight, weight_scale));
}

Tensor linear_mxfp8_weight_only(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                                const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const Tensor out = empty_output(kName, x, n);
  linear_mxfp8_weight_only_out(x, weight, weight_scale, bias, out);
  return out;
}

std::string linear_mxfp8_weight_only_implementation(const Tensor& x, const Tensor& weight,
                                                    const Tensor& weight_scale,
                                                    const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  return kernels::choose("linear_mxfp8_weight_only",
                         kernels::linear_mxfp8_weight_only_implementations(),
                         check(operands, weight, weight_scale))
      .name;
}

void grouped_linear_mxfp8_weight_only_out(const Tensor& x, const Tensor& offsets,
                                          const Tensor& weight, const Tensor& weight_scale,
                                          const std::optional<Tensor>& bias, const Tensor& out) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  kernels::grouped_linear(check(operands, weight, weight_scale), groups);
}

Tensor grouped_linear_mxfp8_weight_only(const Tensor& x, const Tensor& offsets,
                                        const Tensor& weight, const Tensor& weight_scale,
                                        const std::optional<Tensor>& bias) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Float8_e4m3fn);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_mxfp8_weight_only_out(x, offsets, weight, weight_scale, bias, out);
  return out;
}

}  // namespace

// MXFP8 weight-only: x (*, K); weight (N, K) float8_e4m3fn; weight_scale
// (N, K / 32) float8_e8m0fnu. Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_mxfp8_weight_only",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor? bias=None");
  define_grouped_linear(library, "grouped_linear_mxfp8_weight_only",
                        "Tensor weight, Tensor weight_scale, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_mxfp8_weight_only", TORCH_BOX(&linear_mxfp8_weight_only));
  library.impl("linear_mxfp8_weight_only.out", TORCH_BOX(&linear_mxfp8_weight_only_out));
  library.impl("linear_mxfp8_weight_only.implementation",
               TORCH_BOX(&linear_mxfp8_weight_only_implementation));
  library.impl("grouped_linear_mxfp8_weight_only", TORCH_BOX(&grouped_linear_mxfp8_weight_only));
  library.impl("grouped_linear_mxfp8_weight_only.out",
               TORCH_BOX(&grouped_linear_mxfp8_weight_only_out));
}

}  // namespace lowp::ops
