#include "ops/cuda/linear.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_mxfp8_weight_only";
constexpr std::int64_t kBlock = 32;

kernels::CudaWeight check(const Tensor& x, const Tensor& weight, const Tensor& weight_scale) {
  kernels::CudaWeight result =
      check_cuda_weight({kName, "weight", weight}, x, kernels::CudaWeightFormat::kMxfp8,
                        ScalarType::Float8_e4m3fn, 1);
  check_cuda_block_scale({kName, "weight_scale", weight_scale}, x, ScalarType::Float8_e8m0fnu,
                         kBlock, result);
  return result;
}

void linear_mxfp8_weight_only_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                                  const std::optional<Tensor>& bias, const Tensor& out) {
  run_cuda_linear(kName, x, check(x, weight, weight_scale), bias, out);
}

Tensor linear_mxfp8_weight_only(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                                const std::optional<Tensor>& bias) {
  return cuda_linear(kName, x, check(x, weight, weight_scale), bias);
}

std::string linear_mxfp8_weight_only_implementation(const Tensor& x, const Tensor& weight,
                                                    const Tensor& weight_scale,
                                                    const std::optional<Tensor>& bias) {
  return cuda_linear_implementation(kName, x, check(x, weight, weight_scale), bias);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_mxfp8_weight_only", TORCH_BOX(&linear_mxfp8_weight_only));
  library.impl("linear_mxfp8_weight_only.out", TORCH_BOX(&linear_mxfp8_weight_only_out));
  library.impl("linear_mxfp8_weight_only.implementation",
               TORCH_BOX(&linear_mxfp8_weight_only_implementation));
}

}  // namespace lowp::ops
