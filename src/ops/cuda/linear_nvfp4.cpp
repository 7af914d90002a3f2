#include "ops/cuda/linear.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_nvfp4";
constexpr std::int64_t kBlock = 16;

kernels::CudaWeight check(const Tensor& x, const Tensor& weight, const Tensor& weight_block_scale,
                          const Tensor& weight_tensor_scale) {
  kernels::CudaWeight result = check_cuda_weight(
      {kName, "weight", weight}, x, kernels::CudaWeightFormat::kNvfp4, ScalarType::Byte, 2);
  check_cuda_block_scale({kName, "weight_block_scale", weight_block_scale}, x,
                         ScalarType::Float8_e4m3fn, kBlock, result);
  result.tensor_scale = static_cast<const float*>(check_cuda_scale(
      {kName, "weight_tensor_scale", weight_tensor_scale}, x, ScalarType::Float, {1}));
  return result;
}

void linear_nvfp4_out(const Tensor& x, const Tensor& weight, const Tensor& weight_block_scale,
                      const Tensor& weight_tensor_scale, const std::optional<Tensor>& bias,
                      const Tensor& out) {
  run_cuda_linear(kName, x, check(x, weight, weight_block_scale, weight_tensor_scale), bias, out);
}

Tensor linear_nvfp4(const Tensor& x, const Tensor& weight, const Tensor& weight_block_scale,
                    const Tensor& weight_tensor_scale, const std::optional<Tensor>& bias) {
  return cuda_linear(kName, x, check(x, weight, weight_block_scale, weight_tensor_scale), bias);
}

std::string linear_nvfp4_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_block_scale,
                                        const Tensor& weight_tensor_scale,
                                        const std::optional<Tensor>& bias) {
  return cuda_linear_implementation(
      kName, x, check(x, weight, weight_block_scale, weight_tensor_scale), bias);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_nvfp4", TORCH_BOX(&linear_nvfp4));
  library.impl("linear_nvfp4.out", TORCH_BOX(&linear_nvfp4_out));
  library.impl("linear_nvfp4.implementation", TORCH_BOX(&linear_nvfp4_implementation));
}

}  // namespace lowp::ops
