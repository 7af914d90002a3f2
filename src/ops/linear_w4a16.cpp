#include "kernels/linear_w4a16/linear_w4a16.h"

#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w4a16";
constexpr char kGrouped[] = "lowp::grouped_linear_w4a16";

kernels::LinearW4A16Args check(const LinearOperands& operands, const Tensor& weight,
                               const Tensor& weight_scale,
                               const std::optional<Tensor>& weight_zero_point,
                               const std::optional<Tensor>& weight_zero) {
  const std::int64_t n = operands.out.cols;
  const std::int64_t k = operands.x.cols;
  const Int4Weight checked = check_int4_weight(operands.operation, weight_scale, weight_zero_point,
                                               weight_zero, {n, k}, operands.experts);
  return {
      .x = operands.x,
      .weight = data<std::uint8_t>(weight),
      .scale = checked.scale,
      .zero_point = checked.zero_point,
      .zero = checked.zero,
      .scale_dtype = checked.scale_dtype,
      .group_size = checked.group_size,
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_w4a16_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      const std::optional<Tensor>& weight_zero_point,
                      const std::optional<Tensor>& weight_zero, const std::optional<Tensor>& bias,
                      const Tensor& out) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  kernels::linear_w4a16(check(operands, weight, weight_scale, weight_zero_point, weight_zero));
}

Tensor linear_w4a16(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    const std::optional<Tensor>& weight_zero_point,
                    const std::optional<Tensor>& weight_zero, const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const Tensor out = empty_output(kName, x, n);
  linear_w4a16_out(x, weight, weight_scale, weight_zero_point, weight_zero, bias, out);
  return out;
}

std::string linear_w4a16_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale,
                                        const std::optional<Tensor>& weight_zero_point,
                                        const std::optional<Tensor>& weight_zero,
                                        const std::optional<Tensor>& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  return kernels::choose("linear_w4a16", kernels::linear_w4a16_implementations(),
                         check(operands, weight, weight_scale, weight_zero_point, weight_zero))
      .name;
}

void grouped_linear_w4a16_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                              const Tensor& weight_scale,
                              const std::optional<Tensor>& weight_zero_point,
                              const std::optional<Tensor>& weight_zero,
                              const std::optional<Tensor>& bias, const Tensor& out) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  kernels::grouped_linear(check(operands, weight, weight_scale, weight_zero_point, weight_zero),
                          groups);
}

Tensor grouped_linear_w4a16(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                            const Tensor& weight_scale,
                            const std::optional<Tensor>& weight_zero_point,
                            const std::optional<Tensor>& weight_zero,
                            const std::optional<Tensor>& bias) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Byte, 2);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_w4a16_out(x, offsets, weight, weight_scale, weight_zero_point, weight_zero, bias,
                           out);
  return out;
}

}  // namespace

// x (*, K); weight (N, K / 2) uint8, two's-complement nibbles, even k low; weight_scale
// (N, K / group) float32 or bfloat16; weight_zero_point int8 or weight_zero of the scale's dtype,
// as the scale. w = (code - zero_point) * scale, or code * scale + zero. Returns (*, N) of x's
// dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_w4a16",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor? weight_zero_point=None, "
                "Tensor? weight_zero=None, Tensor? bias=None");
  define_grouped_linear(library, "grouped_linear_w4a16",
                        "Tensor weight, Tensor weight_scale, Tensor? weight_zero_point=None, "
                        "Tensor? weight_zero=None, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_w4a16", TORCH_BOX(&linear_w4a16));
  library.impl("linear_w4a16.out", TORCH_BOX(&linear_w4a16_out));
  library.impl("linear_w4a16.implementation", TORCH_BOX(&linear_w4a16_implementation));
  library.impl("grouped_linear_w4a16", TORCH_BOX(&grouped_linear_w4a16));
  library.impl("grouped_linear_w4a16.out", TORCH_BOX(&grouped_linear_w4a16_out));
}

}  // namespace lowp::ops
