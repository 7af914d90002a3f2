#include "kernels/linear_w8a8/linear_w8a8.h"

#include "ops/grouped_linear.h"
#include "ops/int8_activations.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w8a8";
constexpr char kGrouped[] = "lowp::grouped_linear_w8a8";
// The sum fits int32: 128 * 128 * K, and with zero points (128 + 127) * 128 * K.
constexpr std::int64_t kMaxColumns = 131071;
constexpr std::int64_t kMaxColumnsAsymmetric = 65793;

kernels::LinearW8A8Args check(const LinearOperands& operands, const Int8Activations& activations,
                              const Tensor& weight, const Tensor& weight_scale,
                              const Tensor& weight_row_sums) {
  const std::int64_t n = operands.out.cols;
  const std::int64_t k = operands.x.cols;
  const std::int64_t most = activations.asymmetric() ? kMaxColumnsAsymmetric : kMaxColumns;
  if (k > most) {
    fail(operands.operation, "weight has too many columns", std::to_string(k),
         concat({"at most ", std::to_string(most)}));
  }
  check_dense({operands.operation, "weight_scale", weight_scale}, ScalarType::Float,
              operands.experts, {n, 1});
  check_dense({operands.operation, "weight_row_sums", weight_row_sums}, ScalarType::Int,
              operands.experts, {n});
  return {
      .x = activations.codes(),
      .x_scale = activations.scale(),
      .x_zero_point = activations.zero_point(),
      .m = operands.x.rows,
      .n = n,
      .k = k,
      .weight = data<std::int8_t>(weight),
      .weight_scale = data<float>(weight_scale),
      .weight_row_sums = data<std::int32_t>(weight_row_sums),
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_w8a8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                     const Tensor& weight_row_sums, const std::optional<Tensor>& bias,
                     std::string_view activation_mapping, const Tensor& out) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Char);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  const Int8Activations activations(operands.x.rows, k,
                                    check_asymmetric_activations(kName, activation_mapping));
  const auto args = check(operands, activations, weight, weight_scale, weight_row_sums);
  activations.quantize(operands.x);
  kernels::linear_w8a8(args);
}

Tensor linear_w8a8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                   const Tensor& weight_row_sums, const std::optional<Tensor>& bias,
                   std::string_view activation_mapping) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Char);
  const Tensor out = empty_output(kName, x, n);
  linear_w8a8_out(x, weight, weight_scale, weight_row_sums, bias, activation_mapping, out);
  return out;
}

std::string linear_w8a8_implementation(const Tensor& x, const Tensor& weight,
                                       const Tensor& weight_scale, const Tensor& weight_row_sums,
                                       const std::optional<Tensor>& bias,
                                       std::string_view activation_mapping) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Char);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  const Int8Activations activations(operands.x.rows, k,
                                    check_asymmetric_activations(kName, activation_mapping));
  return kernels::choose("linear_w8a8", kernels::linear_w8a8_implementations(),
                         check(operands, activations, weight, weight_scale, weight_row_sums))
      .name;
}

void grouped_linear_w8a8_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                             const Tensor& weight_scale, const Tensor& weight_row_sums,
                             const std::optional<Tensor>& bias, std::string_view activation_mapping,
                             const Tensor& out) {
  const auto [n, k, experts] = check_expert_weight({kGrouped, "weight", weight}, ScalarType::Char);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  const Int8Activations activations(operands.x.rows, k,
                                    check_asymmetric_activations(kGrouped, activation_mapping));
  const auto args = check(operands, activations, weight, weight_scale, weight_row_sums);
  activations.quantize(operands.x);
  kernels::grouped_linear(args, groups);
}

Tensor grouped_linear_w8a8(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                           const Tensor& weight_scale, const Tensor& weight_row_sums,
                           const std::optional<Tensor>& bias, std::string_view activation_mapping) {
  const auto [n, k, experts] = check_expert_weight({kGrouped, "weight", weight}, ScalarType::Char);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_w8a8_out(x, offsets, weight, weight_scale, weight_row_sums, bias,
                          activation_mapping, out);
  return out;
}

}  // namespace

// x (*, K), quantized to int8 per token inside; weight (N, K) int8; weight_scale (N, 1) float32;
// weight_row_sums (N) int32, the sums of the weight's rows; activation_mapping "symmetric" or
// "asymmetric". Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_w8a8",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor weight_row_sums, "
                "Tensor? bias=None, str activation_mapping='symmetric'");
  define_grouped_linear(library, "grouped_linear_w8a8",
                        "Tensor weight, Tensor weight_scale, Tensor weight_row_sums, Tensor? "
                        "bias=None, str activation_mapping='symmetric'");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_w8a8", TORCH_BOX(&linear_w8a8));
  library.impl("linear_w8a8.out", TORCH_BOX(&linear_w8a8_out));
  library.impl("linear_w8a8.implementation", TORCH_BOX(&linear_w8a8_implementation));
  library.impl("grouped_linear_w8a8", TORCH_BOX(&grouped_linear_w8a8));
  library.impl("grouped_linear_w8a8.out", TORCH_BOX(&grouped_linear_w8a8_out));
}

}  // namespace lowp::ops
