#include "kernels/linear_w4a16/linear_w4a16.h"

#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w4a16";

kernels::LinearW4A16Args check(const LinearOperands& operands, const Tensor& weight,
                               const Tensor& weight_scale,
                               const std::optional<Tensor>& weight_zero_point,
                               const std::optional<Tensor>& weight_zero) {
  const std::int64_t n = operands.out.cols;
  const std::int64_t k = operands.x.cols;
  const Argument scale{kName, "weight_scale", weight_scale};
  const std::int64_t group_size = check_group_size(scale, {n, k});
  if (group_size % 2 != 0) {
    fail(kName, "weight_scale implies an odd group", std::to_string(group_size),
         "an even number of columns a group");
  }
  check_dtype(scale, {ScalarType::Float, ScalarType::BFloat16});
  const ScalarType scale_dtype = weight_scale.scalar_type();
  check_dense(scale, scale_dtype, {n, k / group_size});
  if (weight_zero_point && weight_zero) {
    fail(kName, "weight_zero_point and weight_zero exclude each other", "both", "one or none");
  }
  if (weight_zero_point) {
    check_dense({kName, "weight_zero_point", *weight_zero_point}, ScalarType::Char,
                {n, k / group_size});
  }
  if (weight_zero) {
    check_dense({kName, "weight_zero", *weight_zero}, scale_dtype, {n, k / group_size});
  }
  return {
      .x = operands.x,
      .weight = data<std::uint8_t>(weight),
      .scale = weight_scale.const_data_ptr(),
      .zero_point = weight_zero_point ? data<std::int8_t>(*weight_zero_point) : nullptr,
      .zero = weight_zero ? weight_zero->const_data_ptr() : nullptr,
      .scale_dtype = to_dtype(scale_dtype),
      .group_size = group_size,
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

}  // namespace

// x (*, K); weight (N, K / 2) uint8, two's-complement nibbles, even k low; weight_scale
// (N, K / group) float32 or bfloat16; weight_zero_point int8 or weight_zero of the scale's dtype,
// as the scale. w = (code - zero_point) * scale, or code * scale + zero. Returns (*, N) of x's
// dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_w4a16",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor? weight_zero_point=None, "
                "Tensor? weight_zero=None, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_w4a16", TORCH_BOX(&linear_w4a16));
  library.impl("linear_w4a16.out", TORCH_BOX(&linear_w4a16_out));
  library.impl("linear_w4a16.implementation", TORCH_BOX(&linear_w4a16_implementation));
}

}  // namespace lowp::ops
