#include "kernels/dequantize_fp8/dequantize_fp8.h"
#include "kernels/linear_w4a16/linear_w4a16.h"
#include "kernels/quantize_fp8/quantize_fp8.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w4afp8";

using OptionalTensor = std::optional<Tensor>;

// The activations of one call, (M, K): codes, scales (M), and the fp32 numbers they stand for. No
// x86 multiplies float8; the product is that of linear_w4a16.
struct Activations {
  explicit Activations(const kernels::Matrix& x)
      : rows(x.rows),
        cols(x.cols),
        scale_offset(ceil_div(x.rows * x.cols, 64) * 64),
        values_offset(scale_offset + ceil_div(x.rows * 4, 64) * 64),
        memory(values_offset + x.rows * x.cols * 4) {}

  kernels::Matrix values() const {
    return {memory.at<float>(values_offset), DType::kF32, rows, cols, cols};
  }

  void quantize(const kernels::Matrix& x) const {
    auto* codes = memory.at<std::uint8_t>(0);
    auto* scale = memory.at<float>(scale_offset);
    kernels::quantize_fp8({
        .x = x,
        .block = {1, cols},
        .element = DType::kF8E4M3,
        .scale_dtype = DType::kF32,
        .static_scale = nullptr,
        .codes = codes,
        .scale = scale,
        .parallel = torch_pool(),
    });
    kernels::dequantize_fp8({
        .codes = codes,
        .element = DType::kF8E4M3,
        .block = {1, cols},
        .scale = scale,
        .out = {memory.at<float>(values_offset), DType::kF32, rows, cols, cols},
        .parallel = torch_pool(),
    });
  }

  std::int64_t rows;
  std::int64_t cols;
  std::int64_t scale_offset;
  std::int64_t values_offset;
  Workspace memory;
};

kernels::LinearW4A16Args check(const LinearOperands& operands, const Activations& activations,
                               const Tensor& weight, const Tensor& weight_scale,
                               const OptionalTensor& weight_zero_point,
                               const OptionalTensor& weight_zero) {
  const Int4Weight checked = check_int4_weight(kName, weight_scale, weight_zero_point, weight_zero,
                                               {operands.out.cols, operands.x.cols});
  return {
      .x = activations.values(),
      .weight = data<std::uint8_t>(weight),
      .scale = checked.scale,
      .zero_point = checked.zero_point,
      .zero = checked.zero,
      .scale_dtype = checked.scale_dtype,
      .group_size = checked.group_size,
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_w4afp8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                       const OptionalTensor& weight_zero_point, const OptionalTensor& weight_zero,
                       const OptionalTensor& bias, const Tensor& out) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  const Activations activations(operands.x);
  const auto args =
      check(operands, activations, weight, weight_scale, weight_zero_point, weight_zero);
  activations.quantize(operands.x);
  kernels::linear_w4a16(args);
}

Tensor linear_w4afp8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                     const OptionalTensor& weight_zero_point, const OptionalTensor& weight_zero,
                     const OptionalTensor& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const Tensor out = empty_output(kName, x, n);
  linear_w4afp8_out(x, weight, weight_scale, weight_zero_point, weight_zero, bias, out);
  return out;
}

std::string linear_w4afp8_implementation(const Tensor& x, const Tensor& weight,
                                         const Tensor& weight_scale,
                                         const OptionalTensor& weight_zero_point,
                                         const OptionalTensor& weight_zero,
                                         const OptionalTensor& bias) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  const Activations activations(operands.x);
  return kernels::choose(
             "linear_w4afp8", kernels::linear_w4a16_implementations(),
             check(operands, activations, weight, weight_scale, weight_zero_point, weight_zero))
      .name;
}

}  // namespace

// As linear_w4a16, with x quantized to float8_e4m3fn per token inside.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_w4afp8",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor? weight_zero_point=None, "
                "Tensor? weight_zero=None, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_w4afp8", TORCH_BOX(&linear_w4afp8));
  library.impl("linear_w4afp8.out", TORCH_BOX(&linear_w4afp8_out));
  library.impl("linear_w4afp8.implementation", TORCH_BOX(&linear_w4afp8_implementation));
}

}  // namespace lowp::ops
