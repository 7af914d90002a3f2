#include "kernels/linear_bf16/linear_bf16.h"

#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_bf16";

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

}  // namespace

// x (*, K); weight (N, K) bfloat16. Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_bf16", "Tensor x, Tensor weight, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_bf16", TORCH_BOX(&linear_bf16));
  library.impl("linear_bf16.out", TORCH_BOX(&linear_bf16_out));
  library.impl("linear_bf16.implementation", TORCH_BOX(&linear_bf16_implementation));
}

}  // namespace lowp::ops
