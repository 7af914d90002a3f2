#include "ops/cuda/linear.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w8a16";

kernels::CudaWeight check(const Tensor& x, const Tensor& weight, const Tensor& weight_scale) {
  kernels::CudaWeight result = check_cuda_weight(
      {kName, "weight", weight}, x, kernels::CudaWeightFormat::kInt8, ScalarType::Char, 1);
  const Argument scale{kName, "weight_scale", weight_scale};
  result.group_cols = check_cuda_group(scale, result);
  result.scale =
      check_cuda_scale(scale, x, ScalarType::Float, {result.n, result.k / result.group_cols});
  return result;
}

void linear_w8a16_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      const std::optional<Tensor>& bias, const Tensor& out) {
  run_cuda_linear(kName, x, check(x, weight, weight_scale), bias, out);
}

Tensor linear_w8a16(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    const std::optional<Tensor>& bias) {
  return cuda_linear(kName, x, check(x, weight, weight_scale), bias);
}

std::string linear_w8a16_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale,
                                        const std::optional<Tensor>& bias) {
  return cuda_linear_implementation(kName, x, check(x, weight, weight_scale), bias);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_w8a16", TORCH_BOX(&linear_w8a16));
  library.impl("linear_w8a16.out", TORCH_BOX(&linear_w8a16_out));
  library.impl("linear_w8a16.implementation", TORCH_BOX(&linear_w8a16_implementation));
}

}  // namespace lowp::ops
