#include "kernels/linear_bf16/linear_bf16.h"

#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_bf16";
constexpr char kGrouped[] = "lowp::grouped_linear_bf16";

kernels::LinearBf16Args check(const LinearOperands& operands, const Tensor& weight) {
  return {
      .x = operands.x,
      .weight = data<std::uint16_t>(weight),
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_bf16_out(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                     const Tensor& out) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::BFloat16);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  kernels::linear_bf16(check(operands, weight));
}

Tensor linear_bf16(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::BFloat16);
  const Tensor out = empty_output(kName, x, n);
  linear_bf16_out(x, weight, bias, out);
  return out;
}

std::string linear_bf16_implementation(const Tensor& x, const Tensor& weight,
                                       const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::BFloat16);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  return kernels::choose("linear_bf16", kernels::linear_bf16_implementations(),
                         check(operands, weight))
      .name;
}

void grouped_linear_bf16_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                             const std::optional<Tensor>& bias, const Tensor& out) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::BFloat16);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  kernels::grouped_linear(check(operands, weight), groups);
}

Tensor grouped_linear_bf16(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                           const std::optional<Tensor>& bias) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::BFloat16);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_bf16_out(x, offsets, weight, bias, out);
  return out;
}

}  // namespace

// x (*, K); weight (N, K) bfloat16. Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_bf16", "Tensor x, Tensor weight, Tensor? bias=None");
  define_grouped_linear(library, "grouped_linear_bf16", "Tensor weight, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_bf16", TORCH_BOX(&linear_bf16));
  library.impl("linear_bf16.out", TORCH_BOX(&linear_bf16_out));
  library.impl("linear_bf16.implementation", TORCH_BOX(&linear_bf16_implementation));
  library.impl("grouped_linear_bf16", TORCH_BOX(&grouped_linear_bf16));
  library.impl("grouped_linear_bf16.out", TORCH_BOX(&grouped_linear_bf16_out));
}

}  // namespace lowp::ops
