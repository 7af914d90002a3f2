#include "kernels/linear_w4a8/linear_w4a8.h"

#include "ops/grouped_linear.h"
#include "ops/int8_activations.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w4a8";
constexpr char kGrouped[] = "lowp::grouped_linear_w4a8";
constexpr std::int64_t kMaxGroup = 131072;  // its sum, (128 + 127) * 15 a column, fits int32

using OptionalTensor = std::optional<Tensor>;

kernels::LinearW4A8Args check(const LinearOperands& operands, const Int8Activations& activations,
                              const Tensor& weight, const Tensor& weight_scale,
                              const OptionalTensor& weight_row_sums,
                              const OptionalTensor& weight_zero_point,
                              const OptionalTensor& weight_zero) {
  const std::int64_t n = operands.out.cols;
  const std::int64_t k = operands.x.cols;
  const Int4Weight checked = check_int4_weight(operands.operation, weight_scale, weight_zero_point,
                                               weight_zero, {n, k}, operands.experts);
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
      .scale = checked.scale,
      .zero_point = checked.zero_point,
      .zero = checked.zero,
      .scale_dtype = checked.scale_dtype,
      .group_size = checked.group_size,
      .row_sums = row_sums,
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_w4a8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                     const OptionalTensor& weight_row_sums, const OptionalTensor& weight_zero_point,
                     const OptionalTensor& weight_zero, const OptionalTensor& bias,
                     std::string_view activation_mapping, const Tensor& out) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  const Int8Activations activations(operands.x.rows, k,
                                    check_asymmetric_activations(kName, activation_mapping));
  const auto args = check(operands, activations, weight, weight_scale, weight_row_sums,
                          weight_zero_point, weight_zero);
  activations.quantize(operands.x);
  kernels::linear_w4a8(args);
}

Tensor linear_w4a8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                   const OptionalTensor& weight_row_sums, const OptionalTensor& weight_zero_point,
                   const OptionalTensor& weight_zero, const OptionalTensor& bias,
                   std::string_view activation_mapping) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const Tensor out = empty_output(kName, x, n);
  linear_w4a8_out(x, weight, weight_scale, weight_row_sums, weight_zero_point, weight_zero, bias,
                  activation_mapping, out);
  return out;
}

std::string linear_w4a8_implementation(const Tensor& x, const Tensor& weight,
                                       const Tensor& weight_scale,
                                       const OptionalTensor& weight_row_sums,
                                       const OptionalTensor& weight_zero_point,
                                       const OptionalTensor& weight_zero,
                                       const OptionalTensor& bias,
                                       std::string_view activation_mapping) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  const Int8Activations activations(operands.x.rows, k,
                                    check_asymmetric_activations(kName, activation_mapping));
  return kernels::choose("linear_w4a8", kernels::linear_w4a8_implementations(),
                         check(operands, activations, weight, weight_scale, weight_row_sums,
                               weight_zero_point, weight_zero))
      .name;
}

void grouped_linear_w4a8_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                             const Tensor& weight_scale, const OptionalTensor& weight_row_sums,
                             const OptionalTensor& weight_zero_point,
                             const OptionalTensor& weight_zero, const OptionalTensor& bias,
                             std::string_view activation_mapping, const Tensor& out) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  const Int8Activations activations(operands.x.rows, k,
                                    check_asymmetric_activations(kGrouped, activation_mapping));
  const auto args = check(operands, activations, weight, weight_scale, weight_row_sums,
                          weight_zero_point, weight_zero);
  activations.quantize(operands.x);
  kernels::grouped_linear(args, groups);
}

Tensor grouped_linear_w4a8(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                           const Tensor& weight_scale, const OptionalTensor& weight_row_sums,
                           const OptionalTensor& weight_zero_point,
                           const OptionalTensor& weight_zero, const OptionalTensor& bias,
                           std::string_view activation_mapping) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Byte, 2);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_w4a8_out(x, offsets, weight, weight_scale, weight_row_sums, weight_zero_point,
                          weight_zero, bias, activation_mapping, out);
  return out;
}

}  // namespace

// x (*, K), quantized to int8 per token inside; weight (N, K / 2) uint8, two's-complement nibbles,
// even k low; weight_scale (N, K / group) float32 or bfloat16; weight_zero_point int8 or
// weight_zero of the scale's dtype, as the scale; activation_mapping "symmetric" or "asymmetric",
// which needs weight_row_sums (N) float32, the sums of the dequantized weight's rows. Returns
// (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_w4a8",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor? weight_row_sums=None, "
                "Tensor? weight_zero_point=None, Tensor? weight_zero=None, Tensor? bias=None, "
                "str activation_mapping='symmetric'");
  define_grouped_linear(library, "grouped_linear_w4a8",
                        "Tensor weight, Tensor weight_scale, Tensor? weight_row_sums=None, Tensor? "
                        "weight_zero_point=None, Tensor? weight_zero=None, Tensor? bias=None, str "
                        "activation_mapping='symmetric'");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_w4a8", TORCH_BOX(&linear_w4a8));
  library.impl("linear_w4a8.out", TORCH_BOX(&linear_w4a8_out));
  library.impl("linear_w4a8.implementation", TORCH_BOX(&linear_w4a8_implementation));
  library.impl("grouped_linear_w4a8", TORCH_BOX(&grouped_linear_w4a8));
  library.impl("grouped_linear_w4a8.out", TORCH_BOX(&grouped_linear_w4a8_out));
}

}  // namespace lowp::ops
