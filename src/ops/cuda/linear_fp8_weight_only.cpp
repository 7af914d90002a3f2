#include "ops/cuda/linear.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_fp8_weight_only";

kernels::CudaWeight check(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                          Shape weight_block) {
  kernels::CudaWeight result = check_cuda_weight(
      {kName, "weight", weight}, x, kernels::CudaWeightFormat::kFp8, ScalarType::Float8_e4m3fn, 1);
  const bool known =
      weight_block.size() == 2 && ((weight_block[0] == -1 && weight_block[1] == -1) ||
                                   (weight_block[0] == 1 && weight_block[1] == -1) ||
                                   (weight_block[0] == 128 && weight_block[1] == 128));
  if (!known) {
    fail(kName, "weight_block is not known", to_string(weight_block),
         "(-1, -1), (1, -1) or (128, 128)");
  }
  const kernels::Block block = check_block(kName, weight_block, result.n, result.k);
  result.group_rows = block.rows;
  result.group_cols = block.cols;
  result.scale = check_cuda_scale({kName, "weight_scale", weight_scale}, x, ScalarType::Float,
                                  {ceil_div(result.n, block.rows), ceil_div(result.k, block.cols)});
  return result;
}

void linear_fp8_weight_only_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                                Shape weight_block, const std::optional<Tensor>& bias,
                                const Tensor& out) {
  run_cuda_linear(kName, x, check(x, weight, weight_scale, weight_block), bias, out);
}

Tensor linear_fp8_weight_only(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                              Shape weight_block, const std::optional<Tensor>& bias) {
  return cuda_linear(kName, x, check(x, weight, weight_scale, weight_block), bias);
}

std::string linear_fp8_weight_only_implementation(const Tensor& x, const Tensor& weight,
                                                  const Tensor& weight_scale, Shape weight_block,
                                                  const std::optional<Tensor>& bias) {
  return cuda_linear_implementation(kName, x, check(x, weight, weight_scale, weight_block), bias);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_fp8_weight_only", TORCH_BOX(&linear_fp8_weight_only));
  library.impl("linear_fp8_weight_only.out", TORCH_BOX(&linear_fp8_weight_only_out));
  library.impl("linear_fp8_weight_only.implementation",
               TORCH_BOX(&linear_fp8_weight_only_implementation));
}

}  // namespace lowp::ops
