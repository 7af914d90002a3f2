#include "kernels/linear_wna16/linear_wna16.h"

#include "ops/intx.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_wna16";

using OptionalTensor = std::optional<Tensor>;

kernels::LinearWnA16Args check(const LinearOperands& operands, const Tensor& weight,
                               const Tensor& weight_scale, std::int64_t bits,
                               const OptionalTensor& weight_zero_point,
                               const OptionalTensor& weight_zero) {
  const WeightShape shape{operands.out.cols, operands.x.cols};
  const Int4Weight groups =
      check_int4_weight(kName, weight_scale, weight_zero_point, weight_zero, shape);
  check_intx_group({kName, "weight_scale", weight_scale}, shape);
  return {
      .x = operands.x,
      .weight = data<std::uint8_t>(weight),
      .bits = static_cast<int>(bits),
      .scale = groups.scale,
      .zero_point = groups.zero_point,
      .zero = groups.zero,
      .scale_dtype = groups.scale_dtype,
      .group_size = groups.group_size,
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_wna16_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      std::int64_t bits, const OptionalTensor& weight_zero_point,
                      const OptionalTensor& weight_zero, const OptionalTensor& bias,
                      const Tensor& out) {
  const auto [n, k] = check_intx_weight({kName, "weight", weight}, bits);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  kernels::linear_wna16(
      check(operands, weight, weight_scale, bits, weight_zero_point, weight_zero));
}

Tensor linear_wna16(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    std::int64_t bits, const OptionalTensor& weight_zero_point,
                    const OptionalTensor& weight_zero, const OptionalTensor& bias) {
  const auto [n, k] = check_intx_weight({kName, "weight", weight}, bits);
  const Tensor out = empty_output(kName, x, n);
  linear_wna16_out(x, weight, weight_scale, bits, weight_zero_point, weight_zero, bias, out);
  return out;
}

std::string linear_wna16_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale, std::int64_t bits,
                                        const OptionalTensor& weight_zero_point,
                                        const OptionalTensor& weight_zero,
                                        const OptionalTensor& bias) {
  const auto [n, k] = check_intx_weight({kName, "weight", weight}, bits);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  return kernels::choose(
             "linear_wna16", kernels::linear_wna16_implementations(),
             check(operands, weight, weight_scale, bits, weight_zero_point, weight_zero))
      .name;
}

}  // namespace

// x (*, K) on the CPU; weight (N, K * bits / 8) uint8, bits 1 to 7, a little-endian bit stream of
// code + 2^(bits - 1) a row; weight_scale (N, K / group) float32 or bfloat16, the group a multiple
// of 8; weight_zero_point int8 or weight_zero of the scale's dtype, as the scale. w = (code -
// zero_point) * scale, or (code + 2^(bits - 1)) * scale + zero. Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_wna16",
                "Tensor x, Tensor weight, Tensor weight_scale, int bits, "
                "Tensor? weight_zero_point=None, Tensor? weight_zero=None, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_wna16", TORCH_BOX(&linear_wna16));
  library.impl("linear_wna16.out", TORCH_BOX(&linear_wna16_out));
  library.impl("linear_wna16.implementation", TORCH_BOX(&linear_wna16_implementation));
}

}  // namespace lowp::ops
