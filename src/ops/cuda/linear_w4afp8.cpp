// lowp::linear_w4afp8 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/quantize_fp8/cuda.h"
#include "ops/cuda/linear_w4a8.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w4afp8";

using OptionalTensor = std::optional<Tensor>;

// The sums of float8 codes that zeros would need are not exact, and cost what a product does.
kernels::CudaWeight check_weight(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                                 const OptionalTensor& weight_zero_point,
                                 const OptionalTensor& weight_zero) {
  if (weight_zero_point || weight_zero) {
    fail(kName, "the weight has zero points or zeros", "a tensor", "none on the GPU");
  }
  return check_cuda_int4_weight(kName, x, weight, weight_scale, weight_zero_point, weight_zero);
}

void linear_w4afp8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                       const OptionalTensor& weight_zero_point, const OptionalTensor& weight_zero,
                       const OptionalTensor& bias, const Tensor& out) {
  const kernels::CudaWeight checked =
      check_weight(x, weight, weight_scale, weight_zero_point, weight_zero);
  const DynamicOperands operands = check_dynamic(kName, x, {checked.n, checked.k}, bias, out);
  auto args = w4a8_product(operands, checked);
  const Launch launch(x);
  if (args.m == 0 || args.n == 0) return;

  kernels::QuantizeFp8Args quantize{.x = operands.x,
                                    .block = {1, args.k},
                                    .element = DType::kF8E4M3,
                                    .scale_dtype = DType::kF32,
                                    .static_scale = nullptr,
                                    .codes = nullptr,
                                    .scale = nullptr,
                                    .parallel = nullptr};
  Parts parts;
  const std::int64_t codes = parts.add(args.m * args.k);
  const std::int64_t scale = parts.add(args.m * 4);
  const std::int64_t scratch = parts.add(kernels::quantize_fp8_cuda_workspace(quantize));
  const LaunchMemory workspace(launch, parts.size());
  std::byte* const memory = workspace.data();
  quantize.codes = reinterpret_cast<std::uint8_t*>(memory + codes);
  quantize.scale = reinterpret_cast<float*>(memory + scale);
  check_launch(kName, kernels::quantize_fp8_cuda(quantize, memory + scratch, launch.stream));

  args.x = quantize.codes;
  args.x_scale = quantize.scale;
  args.stream = launch.stream;
  check_launch(kName, kernels::linear_w4afp8_sm90(args));
}

Tensor linear_w4afp8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                     const OptionalTensor& weight_zero_point, const OptionalTensor& weight_zero,
                     const OptionalTensor& bias) {
  const DynamicWeight shape = check_dynamic_weight({kName, "weight", weight}, x, ScalarType::Byte);
  const Tensor out = empty_dynamic(kName, x, shape.n);
  linear_w4afp8_out(x, weight, weight_scale, weight_zero_point, weight_zero, bias, out);
  return out;
}

std::string linear_w4afp8_implementation(const Tensor& x, const Tensor& weight,
                                         const Tensor& weight_scale,
                                         const OptionalTensor& weight_zero_point,
                                         const OptionalTensor& weight_zero,
                                         const OptionalTensor& bias) {
  const kernels::CudaWeight checked =
      check_weight(x, weight, weight_scale, weight_zero_point, weight_zero);
  const DynamicOperands operands =
      check_dynamic(kName, x, {checked.n, checked.k}, bias, empty_dynamic(kName, x, checked.n));
  return kernels::linear_w4a8_sm90_name(w4a8_product(operands, checked));
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_w4afp8", TORCH_BOX(&linear_w4afp8));
  library.impl("linear_w4afp8.out", TORCH_BOX(&linear_w4afp8_out));
  library.impl("linear_w4afp8.implementation", TORCH_BOX(&linear_w4afp8_implementation));
}

}  // namespace lowp::ops
