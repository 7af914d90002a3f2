#include "kernels/linear_mxfp4/linear_mxfp4.h"

#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/pack_weight.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_mxfp4";
constexpr char kGrouped[] = "lowp::grouped_linear_mxfp4";

constexpr std::int64_t kBlock = 32;

kernels::LinearMxfp4Args check(const LinearOperands& operands, const Tensor& weight,
                               const Tensor& weight_scale) {
  const bool packed = operands.experts == 0 && is_packed(weight);
  check_packable_block_scale({operands.operation, "weight_scale", weight_scale},
                             ScalarType::Float8_e8m0fnu, {operands.out.cols, operands.x.cols},
                             kBlock, operands.experts, packed);
  return {
      .x = operands.x,
      .weight = data<std::uint8_t>(weight),
      .weight_scale = data<std::uint8_t>(weight_scale),
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
      .packed = packed,
  };
}

void linear_mxfp4_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      const std::optional<Tensor>& bias, const Tensor& out) {
  const auto [n, k] = check_packable_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  kernels::linear_mxfp4(check(operands, weight, weight_scale));
}

Tensor linear_mxfp4(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    const std::optional<Tensor>& bias) {
  const auto [n, k] = check_packable_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const Tensor out = empty_output(kName, x, n);
  linear_mxfp4_out(x, weight, weight_scale, bias, out);
  return out;
}

std::string linear_mxfp4_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale,
                                        const std::optional<Tensor>& bias) {
  const auto [n, k] = check_packable_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  return kernels::choose("linear_mxfp4", kernels::linear_mxfp4_implementations(),
                         check(operands, weight, weight_scale))
      .name;
}

void grouped_linear_mxfp4_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                              const Tensor& weight_scale, const std::optional<Tensor>& bias,
                              const Tensor& out) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  kernels::grouped_linear(check(operands, weight, weight_scale), groups);
}

Tensor grouped_linear_mxfp4(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                            const Tensor& weight_scale, const std::optional<Tensor>& bias) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Byte, 2);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_mxfp4_out(x, offsets, weight, weight_scale, bias, out);
  return out;
}

}  // namespace

// MXFP4 weight-only: x (*, K); weight (N, K / 2) uint8, e2m1 pairs, even k low; weight_scale
// (N, K / 32) float8_e8m0fnu. Returns (*, N) of x's dtype. On the CPU both may be packed
// (pack_weight).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_mxfp4",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor? bias=None");
  define_grouped_linear(library, "grouped_linear_mxfp4",
                        "Tensor weight, Tensor weight_scale, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_mxfp4", TORCH_BOX(&linear_mxfp4));
  library.impl("linear_mxfp4.out", TORCH_BOX(&linear_mxfp4_out));
  library.impl("linear_mxfp4.implementation", TORCH_BOX(&linear_mxfp4_implementation));
  library.impl("grouped_linear_mxfp4", TORCH_BOX(&grouped_linear_mxfp4));
  library.impl("grouped_linear_mxfp4.out", TORCH_BOX(&grouped_linear_mxfp4_out));
}

}  // namespace lowp::ops
