#include "kernels/linear_mxfp6/linear_mxfp6.h"

#include "ops/fp6.h"
#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_mxfp6";
constexpr char kGrouped[] = "lowp::grouped_linear_mxfp6";

constexpr std::int64_t kBlock = 32;

WeightShape check_fp6_weight(const Tensor& weight) {
  const Argument argument{kName, "weight", weight};
  check_weight(argument, ScalarType::Byte);
  return check_packed_fp6(argument);
}

ExpertShape check_fp6_experts(const Tensor& weight) {
  const auto [n, bytes, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Byte);
  if (bytes % 3 != 0) {
    fail(kGrouped, "weight does not hold four codes in three bytes", std::to_string(bytes),
         "a last dimension that is a multiple of 3");
  }
  return {n, bytes / 3 * 4, experts};
}

kernels::LinearMxfp6Args check(const LinearOperands& operands, const Tensor& weight,
                               const Tensor& weight_scale, std::string_view element) {
  check_block_scale({operands.operation, "weight_scale", weight_scale}, ScalarType::Float8_e8m0fnu,
                    {operands.out.cols, operands.x.cols}, kBlock, operands.experts);
  const DType kind = check_fp6_element(operands.operation, element);
  return {
      .x = operands.x,
      .weight = data<std::uint8_t>(weight),
      .element = kind,
      .weight_scale = data<std::uint8_t>(weight_scale),
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_mxfp6_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      const std::optional<Tensor>& bias, std::string_view element,
                      const Tensor& out) {
  const auto [n, k] = check_fp6_weight(weight);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  kernels::linear_mxfp6(check(operands, weight, weight_scale, element));
}

Tensor linear_mxfp6(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    const std::optional<Tensor>& bias, std::string_view element) {
  const auto [n, k] = check_fp6_weight(weight);
  const Tensor out = empty_output(kName, x, n);
  linear_mxfp6_out(x, weight, weight_scale, bias, element, out);
  return out;
}

std::string linear_mxfp6_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale,
                                        const std::optional<Tensor>& bias,
                                        std::string_view element) {
  const auto [n, k] = check_fp6_weight(weight);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  return kernels::choose("linear_mxfp6", kernels::linear_mxfp6_implementations(),
                         check(operands, weight, weight_scale, element))
      .name;
}

void grouped_linear_mxfp6_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                              const Tensor& weight_scale, const std::optional<Tensor>& bias,
                              std::string_view element, const Tensor& out) {
  const auto [n, k, experts] = check_fp6_experts(weight);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  kernels::grouped_linear(check(operands, weight, weight_scale, element), groups);
}

Tensor grouped_linear_mxfp6(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                            const Tensor& weight_scale, const std::optional<Tensor>& bias,
                            std::string_view element) {
  const auto [n, k, experts] = check_fp6_experts(weight);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_mxfp6_out(x, offsets, weight, weight_scale, bias, element, out);
  return out;
}

}  // namespace

// MXFP6 weight-only: x (*, K); weight (N, K * 6 / 8) uint8, codes of `element` ("e2m3", "e3m2") as
// pack_fp6 gives them; weight_scale (N, K / 32) float8_e8m0fnu. Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(
      library, "linear_mxfp6",
      "Tensor x, Tensor weight, Tensor weight_scale, Tensor? bias=None, str element='e2m3'");
  define_grouped_linear(
      library, "grouped_linear_mxfp6",
      "Tensor weight, Tensor weight_scale, Tensor? bias=None, str element='e2m3'");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_mxfp6", TORCH_BOX(&linear_mxfp6));
  library.impl("linear_mxfp6.out", TORCH_BOX(&linear_mxfp6_out));
  library.impl("linear_mxfp6.implementation", TORCH_BOX(&linear_mxfp6_implementation));
  library.impl("grouped_linear_mxfp6", TORCH_BOX(&grouped_linear_mxfp6));
  library.impl("grouped_linear_mxfp6.out", TORCH_BOX(&grouped_linear_mxfp6_out));
}

}  // namespace lowp::ops
