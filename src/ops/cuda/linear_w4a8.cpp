// lowp::linear_w4a8 on CUDA.
#include "ops/cuda/linear_w4a8.h"

#include <torch/csrc/stable/library.h>

#include "kernels/quantize_int8/cuda.h"
#include "ops/int8_activations.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w4a8";
constexpr std::int64_t kMaxGroup = 131072;  // its sum, (128 + 127) * 15 a column, fits int32

using OptionalTensor = std::optional<Tensor>;

kernels::LinearW4A8Sm90Args check(const Tensor& x, const DynamicOperands& operands,
                                  const kernels::CudaWeight& weight,
                                  const OptionalTensor& weight_row_sums, bool asymmetric) {
  if (weight.group_cols > kMaxGroup) {
    fail(kName, "weight_scale implies too long a group", std::to_string(weight.group_cols),
         concat({"at most ", std::to_string(kMaxGroup)}));
  }
  kernels::LinearW4A8Sm90Args args = w4a8_product(operands, weight);
  if (weight_row_sums) {
    const Argument sums{kName, "weight_row_sums", *weight_row_sums};
    check_same_device(sums, x);
    check_cuda_dense(sums, ScalarType::Float, {weight.n});
    args.row_sums = data<float>(*weight_row_sums);
  } else if (asymmetric) {
    fail(kName, "weight_row_sums are missing", "none",
         "float32 of (N) with asymmetric activations");
  }
  return args;
}

void linear_w4a8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                     const OptionalTensor& weight_row_sums, const OptionalTensor& weight_zero_point,
                     const OptionalTensor& weight_zero, const OptionalTensor& bias,
                     std::string_view activation_mapping, const Tensor& out) {
  const kernels::CudaWeight checked =
      check_cuda_int4_weight(kName, x, weight, weight_scale, weight_zero_point, weight_zero);
  const DynamicOperands operands = check_dynamic(kName, x, {checked.n, checked.k}, bias, out);
  const bool asymmetric = check_asymmetric_activations(kName, activation_mapping);
  auto args = check(x, operands, checked, weight_row_sums, asymmetric);
  const Launch launch(x);
  if (args.m == 0 || args.n == 0) return;

  auto quantize = int8_quantization(operands.x, asymmetric);
  Parts parts;
  const std::int64_t codes = parts.add(args.m * args.k);
  const std::int64_t scale = parts.add(args.m * 4);
  const std::int64_t zero_point = parts.add(asymmetric ? args.m : 0);
  const std::int64_t x_sums = parts.add(kernels::linear_w4a8_sm90_workspace(args));
  const std::int64_t scratch = parts.add(kernels::quantize_int8_cuda_workspace(quantize));
  const LaunchMemory workspace(launch, parts.size());
  std::byte* const memory = workspace.data();
  quantize.codes = reinterpret_cast<std::int8_t*>(memory + codes);
  quantize.scale = reinterpret_cast<float*>(memory + scale);
  if (asymmetric) quantize.zero_point = reinterpret_cast<std::int8_t*>(memory + zero_point);
  check_launch(kName, kernels::quantize_int8_cuda(quantize, memory + scratch, launch.stream));

  args.x = quantize.codes;
  args.x_scale = quantize.scale;
  args.x_zero_point = quantize.zero_point;
  args.x_sums = reinterpret_cast<float*>(memory + x_sums);
  args.stream = launch.stream;
  check_launch(kName, kernels::linear_w4a8_sm90(args));
}

Tensor linear_w4a8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                   const OptionalTensor& weight_row_sums, const OptionalTensor& weight_zero_point,
                   const OptionalTensor& weight_zero, const OptionalTensor& bias,
                   std::string_view activation_mapping) {
  const DynamicWeight shape = check_dynamic_weight({kName, "weight", weight}, x, ScalarType::Byte);
  const Tensor out = empty_dynamic(kName, x, shape.n);
  linear_w4a8_out(x, weight, weight_scale, weight_row_sums, weight_zero_point, weight_zero, bias,
                  activation_mapping, out);
  return out;
}

std::string linear_w4a8_implementation(const Tensor& x, const Tensor& weight,
                                       const Tensor& weight_scale,
                                       const OptionalTensor& weight_row_sums,
                                       const OptionalTensor& weight_zero_point,
                                       const OptionalTensor& weight_zero,
                                       const OptionalTensor& bias,
                                       std::string_view activation_mapping) {
  const kernels::CudaWeight checked =
      check_cuda_int4_weight(kName, x, weight, weight_scale, weight_zero_point, weight_zero);
  const DynamicOperands operands =
      check_dynamic(kName, x, {checked.n, checked.k}, bias, empty_dynamic(kName, x, checked.n));
  return kernels::linear_w4a8_sm90_name(
      check(x, operands, checked, weight_row_sums,
            check_asymmetric_activations(kName, activation_mapping)));
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_w4a8", TORCH_BOX(&linear_w4a8));
  library.impl("linear_w4a8.out", TORCH_BOX(&linear_w4a8_out));
  library.impl("linear_w4a8.implementation", TORCH_BOX(&linear_w4a8_implementation));
}

}  // namespace lowp::ops
