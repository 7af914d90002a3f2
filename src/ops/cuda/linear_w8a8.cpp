// lowp::linear_w8a8 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/linear_w8a8/sm90.h"
#include "kernels/quantize_int8/cuda.h"
#include "ops/cuda/linear_dynamic.h"
#include "ops/int8_activations.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w8a8";
// The sum fits int32: 128 * 128 * K, and with zero points (128 + 127) * 128 * K.
constexpr std::int64_t kMaxColumns = 131071;
constexpr std::int64_t kMaxColumnsAsymmetric = 65793;

// The product without x's codes, which have no place yet.
kernels::LinearW8A8Sm90Args check(const Tensor& x, const DynamicOperands& operands,
                                  const Tensor& weight, const Tensor& weight_scale,
                                  const Tensor& weight_row_sums, bool asymmetric) {
  const std::int64_t n = weight.size(0);
  const std::int64_t k = weight.size(1);
  const std::int64_t most = asymmetric ? kMaxColumnsAsymmetric : kMaxColumns;
  if (k > most) {
    fail(kName, "weight has too many columns", std::to_string(k),
         concat({"at most ", std::to_string(most)}));
  }
  check_same_device({kName, "weight_scale", weight_scale}, x);
  check_same_device({kName, "weight_row_sums", weight_row_sums}, x);
  check_cuda_dense({kName, "weight_scale", weight_scale}, ScalarType::Float, {n, 1});
  check_cuda_dense({kName, "weight_row_sums", weight_row_sums}, ScalarType::Int, {n});
  return {
      .x = nullptr,
      .x_scale = nullptr,
      .x_zero_point = nullptr,
      .m = operands.x.rows,
      .n = n,
      .k = k,
      .weight = data<std::int8_t>(weight),
      .weight_scale = data<float>(weight_scale),
      .weight_row_sums = data<std::int32_t>(weight_row_sums),
      .bias = operands.bias,
      .bias_dtype = operands.bias_dtype,
      .out = operands.out,
      .out_dtype = operands.out_dtype,
      .after_quantize = true,
      .stream = nullptr,
  };
}

// What the CPU alone does.
void check_plain(bool per_tensor, bool has_static_scale, bool pre_scale, bool output_activation,
                 bool out_scale) {
  const char* got = per_tensor          ? "activation_per_tensor"
                    : has_static_scale  ? "activation_scale or activation_zero_point"
                    : pre_scale         ? "activation_pre_scale"
                    : out_scale         ? "out_scale"
                    : output_activation ? "output_activation"
                                        : nullptr;
  if (got != nullptr) fail(kName, "an argument is not supported on CUDA", got, "its default");
}

void linear_w8a8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                     const Tensor& weight_row_sums, const std::optional<Tensor>& bias,
                     std::string_view activation_mapping, bool activation_per_tensor,
                     const std::optional<Tensor>& activation_scale,
                     const std::optional<Tensor>& activation_zero_point,
                     const std::optional<Tensor>& activation_pre_scale,
                     const std::optional<std::string>& output_activation,
                     const std::optional<Tensor>& out_scale, const Tensor& out) {
  check_plain(activation_per_tensor, activation_scale || activation_zero_point,
              activation_pre_scale.has_value(), output_activation.has_value(),
              out_scale.has_value());
  const DynamicWeight shape = check_dynamic_weight({kName, "weight", weight}, x, ScalarType::Char);
  const DynamicOperands operands = check_dynamic(kName, x, shape, bias, out);
  const bool asymmetric = check_asymmetric_activations(kName, activation_mapping);
  auto args = check(x, operands, weight, weight_scale, weight_row_sums, asymmetric);
  const Launch launch(x);
  if (args.m == 0 || args.n == 0) return;

  auto quantize = int8_quantization(operands.x, asymmetric);
  Parts parts;
  const std::int64_t codes = parts.add(args.m * args.k);
  const std::int64_t scale = parts.add(args.m * 4);
  const std::int64_t zero_point = parts.add(asymmetric ? args.m : 0);
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
  args.stream = launch.stream;
  check_launch(kName, kernels::linear_w8a8_sm90(args));
}

Tensor linear_w8a8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                   const Tensor& weight_row_sums, const std::optional<Tensor>& bias,
                   std::string_view activation_mapping, bool activation_per_tensor,
                   const std::optional<Tensor>& activation_scale,
                   const std::optional<Tensor>& activation_zero_point,
                   const std::optional<Tensor>& activation_pre_scale,
                   const std::optional<std::string>& output_activation,
                   const std::optional<Tensor>& out_scale) {
  const DynamicWeight shape = check_dynamic_weight({kName, "weight", weight}, x, ScalarType::Char);
  const Tensor out = empty_dynamic(kName, x, shape.n);
  linear_w8a8_out(x, weight, weight_scale, weight_row_sums, bias, activation_mapping,
                  activation_per_tensor, activation_scale, activation_zero_point,
                  activation_pre_scale, output_activation, out_scale, out);
  return out;
}

std::string linear_w8a8_implementation(const Tensor& x, const Tensor& weight,
                                       const Tensor& weight_scale, const Tensor& weight_row_sums,
                                       const std::optional<Tensor>& bias,
                                       std::string_view activation_mapping,
                                       bool activation_per_tensor,
                                       const std::optional<Tensor>& activation_scale,
                                       const std::optional<Tensor>& activation_zero_point,
                                       const std::optional<Tensor>& activation_pre_scale,
                                       const std::optional<std::string>& output_activation,
                                       const std::optional<Tensor>& out_scale) {
  check_plain(activation_per_tensor, activation_scale || activation_zero_point,
              activation_pre_scale.has_value(), output_activation.has_value(),
              out_scale.has_value());
  const DynamicWeight shape = check_dynamic_weight({kName, "weight", weight}, x, ScalarType::Char);
  const DynamicOperands operands =
      check_dynamic(kName, x, shape, bias, empty_dynamic(kName, x, shape.n));
  return kernels::linear_w8a8_sm90_name(
      check(x, operands, weight, weight_scale, weight_row_sums,
            check_asymmetric_activations(kName, activation_mapping)));
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_w8a8", TORCH_BOX(&linear_w8a8));
  library.impl("linear_w8a8.out", TORCH_BOX(&linear_w8a8_out));
  library.impl("linear_w8a8.implementation", TORCH_BOX(&linear_w8a8_implementation));
}

}  // namespace lowp::ops
