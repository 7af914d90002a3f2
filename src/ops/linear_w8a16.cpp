#include "kernels/linear_w8a16/linear_w8a16.h"

#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w8a16";
constexpr char kGrouped[] = "lowp::grouped_linear_w8a16";

kernels::LinearW8A16Args check(const LinearOperands& operands, const Tensor& weight,
                               const Tensor& weight_scale) {
  const std::int64_t k = operands.x.cols;
  const Argument scale{operands.operation, "weight_scale", weight_scale};
  const std::int64_t group_size = check_group_size(scale, {operands.out.cols, k}, operands.experts);
  check_dense(scale, ScalarType::Float, operands.experts, {operands.out.cols, k / group_size});
  return {
      .x = operands.x,
      .weight = data<std::int8_t>(weight),
      .scale = data<float>(weight_scale),
      .group_size = group_size,
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_w8a16_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      const std::optional<Tensor>& bias, const Tensor& out) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Char);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  kernels::linear_w8a16(check(operands, weight, weight_scale));
}

Tensor linear_w8a16(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Char);
  const Tensor out = empty_output(kName, x, n);
  linear_w8a16_out(x, weight, weight_scale, bias, out);
  return out;
}

std::string linear_w8a16_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale,
                                        const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Char);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  return kernels::choose("linear_w8a16", kernels::linear_w8a16_implementations(),
                         check(operands, weight, weight_scale))
      .name;
}

void grouped_linear_w8a16_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                              const Tensor& weight_scale, const std::optional<Tensor>& bias,
                              const Tensor& out) {
  const auto [n, k, experts] = check_expert_weight({kGrouped, "weight", weight}, ScalarType::Char);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  kernels::grouped_linear(check(operands, weight, weight_scale), groups);
}

Tensor grouped_linear_w8a16(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                            const Tensor& weight_scale, const std::optional<Tensor>& bias) {
  const auto [n, k, experts] = check_expert_weight({kGrouped, "weight", weight}, ScalarType::Char);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_w8a16_out(x, offsets, weight, weight_scale, bias, out);
  return out;
}

}  // namespace

// x (*, K); weight (N, K) int8; weight_scale (N, K / group) float32, one column: per row.
// Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_w8a16",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor? bias=None");
  define_grouped_linear(library, "grouped_linear_w8a16",
                        "Tensor weight, Tensor weight_scale, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_w8a16", TORCH_BOX(&linear_w8a16));
  library.impl("linear_w8a16.out", TORCH_BOX(&linear_w8a16_out));
  library.impl("linear_w8a16.implementation", TORCH_BOX(&linear_w8a16_implementation));
  library.impl("grouped_linear_w8a16", TORCH_BOX(&grouped_linear_w8a16));
  library.impl("grouped_linear_w8a16.out", TORCH_BOX(&grouped_linear_w8a16_out));
}

}  // namespace lowp::ops
