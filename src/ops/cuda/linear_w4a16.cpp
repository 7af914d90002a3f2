#include "ops/cuda/linear.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w4a16";

kernels::CudaWeight check(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                          const std::optional<Tensor>& weight_zero_point,
                          const std::optional<Tensor>& weight_zero) {
  kernels::CudaWeight result = check_cuda_weight(
      {kName, "weight", weight}, x, kernels::CudaWeightFormat::kInt4, ScalarType::Byte, 2);
  const Argument scale{kName, "weight_scale", weight_scale};
  result.group_cols = check_cuda_group(scale, result);
  if (result.group_cols % 2 != 0) {
    fail(kName, "weight_scale implies an odd group", std::to_string(result.group_cols),
         "an even number of columns a group");
  }
  check_dtype(scale, {ScalarType::Float, ScalarType::BFloat16});
  const ScalarType scale_dtype = weight_scale.scalar_type();
  const std::int64_t groups = result.k / result.group_cols;
  result.scale = check_cuda_scale(scale, x, scale_dtype, {result.n, groups});
  result.scale_dtype = to_dtype(scale_dtype);
  if (weight_zero_point && weight_zero) {
    fail(kName, "weight_zero_point and weight_zero exclude each other", "both", "one or none");
  }
  if (weight_zero_point) {
    result.zero_point = static_cast<const std::int8_t*>(check_cuda_scale(
        {kName, "weight_zero_point", *weight_zero_point}, x, ScalarType::Char, {result.n, groups}));
  }
  if (weight_zero) {
    result.zero =
        check_cuda_scale({kName, "weight_zero", *weight_zero}, x, scale_dtype, {result.n, groups});
  }
  return result;
}

void linear_w4a16_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      const std::optional<Tensor>& weight_zero_point,
                      const std::optional<Tensor>& weight_zero, const std::optional<Tensor>& bias,
                      const Tensor& out) {
  run_cuda_linear(kName, x, check(x, weight, weight_scale, weight_zero_point, weight_zero), bias,
                  out);
}

Tensor linear_w4a16(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    const std::optional<Tensor>& weight_zero_point,
                    const std::optional<Tensor>& weight_zero, const std::optional<Tensor>& bias) {
  return cuda_linear(kName, x, check(x, weight, weight_scale, weight_zero_point, weight_zero),
                     bias);
}

std::string linear_w4a16_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale,
                                        const std::optional<Tensor>& weight_zero_point,
                                        const std::optional<Tensor>& weight_zero,
                                        const std::optional<Tensor>& bias) {
  return cuda_linear_implementation(
      kName, x, check(x, weight, weight_scale, weight_zero_point, weight_zero), bias);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_w4a16", TORCH_BOX(&linear_w4a16));
  library.impl("linear_w4a16.out", TORCH_BOX(&linear_w4a16_out));
  library.impl("linear_w4a16.implementation", TORCH_BOX(&linear_w4a16_implementation));
}

}  // namespace lowp::ops
