#include "kernels/linear_wna8/linear_wna8.h"

#include "ops/int8_activations.h"
#include "ops/intx.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_wna8";
constexpr std::int64_t kMaxGroup = 65536;  // its sum, (128 + 127) * 127 a column, fits int32

using OptionalTensor = std::optional<Tensor>;

kernels::LinearWnA8Args check(const LinearOperands& operands, const Int8Activations& activations,
                              const Tensor& weight, const Tensor& weight_scale, std::int64_t bits,
                              const OptionalTensor& weight_row_sums,
                              const OptionalTensor& weight_zero_point) {
  const std::int64_t n = operands.out.cols;
  const std::int64_t k = operands.x.cols;
  const Int4Weight checked =
      check_int4_weight(kName, weight_scale, weight_zero_point, std::nullopt, {n, k});
  check_intx_group({kName, "weight_scale", weight_scale}, {n, k});
  const float* row_sums = check_groups_of_int8(operands, activations.asymmetric(),
                                               checked.group_size, kMaxGroup, weight_row_sums);
  return {
      .x = activations.codes(),
      .x_scale = activations.scale(),
      .x_zero_point = activations.zero_point(),
      .m = operands.x.rows,
      .n = n,
      .k = k,
      .weight = data<std::uint8_t>(weight),
      .bits = static_cast<int>(bits),
      .scale = checked.scale,
      .zero_point = checked.zero_point,
      .scale_dtype = checked.scale_dtype,
      .group_size = checked.group_size,
      .row_sums = row_sums,
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_wna8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                     std::int64_t bits, const OptionalTensor& weight_row_sums,
                     const OptionalTensor& weight_zero_point, const OptionalTensor& bias,
                     std::string_view activation_mapping, const Tensor& out) {
  const auto [n, k] = check_intx_weight({kName, "weight", weight}, bits);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  const Int8Activations activations(operands.x.rows, k,
                                    check_asymmetric_activations(kName, activation_mapping));
  const auto args =
      check(operands, activations, weight, weight_scale, bits, weight_row_sums, weight_zero_point);
  activations.quantize(operands.x);
  kernels::linear_wna8(args);
}

Tensor linear_wna8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                   std::int64_t bits, const OptionalTensor& weight_row_sums,
                   const OptionalTensor& weight_zero_point, const OptionalTensor& bias,
                   std::string_view activation_mapping) {
  const auto [n, k] = check_intx_weight({kName, "weight", weight}, bits);
  const Tensor out = empty_output(kName, x, n);
  linear_wna8_out(x, weight, weight_scale, bits, weight_row_sums, weight_zero_point, bias,
                  activation_mapping, out);
  return out;
}

std::string linear_wna8_implementation(const Tensor& x, const Tensor& weight,
                                       const Tensor& weight_scale, std::int64_t bits,
                                       const OptionalTensor& weight_row_sums,
                                       const OptionalTensor& weight_zero_point,
                                       const OptionalTensor& bias,
                                       std::string_view activation_mapping) {
  const auto [n, k] = check_intx_weight({kName, "weight", weight}, bits);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  const Int8Activations activations(operands.x.rows, k,
                                    check_asymmetric_activations(kName, activation_mapping));
  return kernels::choose("linear_wna8", kernels::linear_wna8_implementations(),
                         check(operands, activations, weight, weight_scale, bits, weight_row_sums,
                               weight_zero_point))
      .name;
}

}  // namespace

// x (*, K) on the CPU, quantized to int8 per token inside; weight (N, K * bits / 8) uint8, bits 1
// to 7, a little-endian bit stream of code + 2^(bits - 1) a row; weight_scale (N, K / group)
// float32 or bfloat16, the group a multiple of 8; weight_zero_point int8, as the scale;
// activation_mapping "symmetric" or "asymmetric", which needs weight_row_sums (N) float32, the sums
// of the dequantized weight's rows. Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_wna8",
                "Tensor x, Tensor weight, Tensor weight_scale, int bits, "
                "Tensor? weight_row_sums=None, Tensor? weight_zero_point=None, Tensor? bias=None, "
                "str activation_mapping='symmetric'");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_wna8", TORCH_BOX(&linear_wna8));
  library.impl("linear_wna8.out", TORCH_BOX(&linear_wna8_out));
  library.impl("linear_wna8.implementation", TORCH_BOX(&linear_wna8_implementation));
}

}  // namespace lowp::ops
