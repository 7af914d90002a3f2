#include "ops/cuda/linear.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w4a16";

kernels::CudaWeight check(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                          const std::optional<Tensor>& weight_zero_point,
                          const std::optional<Tensor>& weight_zero) {
  return check_cuda_int4_weight(kName, x, weight, weight_scale, weight_zero_point, weight_zero);
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
