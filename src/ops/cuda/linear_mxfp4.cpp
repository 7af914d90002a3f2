#include "ops/cuda/linear.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_mxfp4";
constexpr std::int64_t kBlock = 32;

kernels::CudaWeight check(const Tensor& x, const Tensor& weight, const Tensor& weight_scale) {
  kernels::CudaWeight result = check_cuda_weight(
      {kName, "weight", weight}, x, kernels::CudaWeightFormat::kMxfp4, ScalarType::Byte, 2);
  check_cuda_block_scale({kName, "weight_scale", weight_scale}, x, ScalarType::Float8_e8m0fnu,
                         kBlock, result);
  return result;
}

void linear_mxfp4_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      const std::optional<Tensor>& bias, const Tensor& out) {
  run_cuda_linear(kName, x, check(x, weight, weight_scale), bias, out);
}

Tensor linear_mxfp4(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    const std::optional<Tensor>& bias) {
  return cuda_linear(kName, x, check(x, weight, weight_scale), bias);
}

std::string linear_mxfp4_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale,
                                        const std::optional<Tensor>& bias) {
  return cuda_linear_implementation(kName, x, check(x, weight, weight_scale), bias);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_mxfp4", TORCH_BOX(&linear_mxfp4));
  library.impl("linear_mxfp4.out", TORCH_BOX(&linear_mxfp4_out));
  library.impl("linear_mxfp4.implementation", TORCH_BOX(&linear_mxfp4_implementation));
}

}  // namespace lowp::ops
