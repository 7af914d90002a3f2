#include "kernels/linear_mxfp8/linear_mxfp8.h"

#include "kernels/quantize_mx/quantize_mx.h"
#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/mx.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_mxfp8";
constexpr char kGrouped[] = "lowp::grouped_linear_mxfp8";
constexpr std::int64_t kBlock = 32;

// The activations of one call: codes (M, K) e4m3, scales (M, K / 32) e8m0.
struct Activations {
  explicit Activations(const kernels::Matrix& x)
      : scale_offset(x.rows * x.cols), memory(scale_offset + x.rows * (x.cols / kBlock)) {}

  std::uint8_t* codes() const { return memory.at<std::uint8_t>(0); }
  std::uint8_t* scale() const { return memory.at<std::uint8_t>(scale_offset); }

  void quantize(const kernels::Matrix& x, MxScaleMode mode) const {
    kernels::quantize_mx({
        .x = x,
        .block_size = kBlock,
        .element = DType::kF8E4M3,
        .mode = mode,
        .codes = codes(),
        .scale = scale(),
        .parallel = torch_pool(),
    });
  }

  std::int64_t scale_offset;
  Workspace memory;
};

kernels::LinearMxfp8Args check(const LinearOperands& operands, const Activations& activations,
                               const Tensor& weight, const Tensor& weight_scale) {
  const WeightShape shape{operands.out.cols, operands.x.cols};
  check_block_scale({operands.operation, "weight_scale", weight_scale}, ScalarType::Float8_e8m0fnu,
                    shape, kBlock, operands.experts);
  return {
      .x = activations.codes(),
      .x_scale = activations.scale(),
      .m = operands.x.rows,
      .n = shape.n,
      .k = shape.k,
      .weight = data<std::uint8_t>(weight),
      .weight_scale = data<std::uint8_t>(weight_scale),
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

void linear_mxfp8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      const std::optional<Tensor>& bias, std::string_view scaling_mode,
                      const Tensor& out) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  const MxScaleMode mode = check_scaling_mode(kName, scaling_mode);
  const Activations activations(operands.x);
  const auto args = check(operands, activations, weight, weight_scale);
  activations.quantize(operands.x, mode);
  kernels::linear_mxfp8(args);
}

Tensor linear_mxfp8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    const std::optional<Tensor>& bias, std::string_view scaling_mode) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const Tensor out = empty_output(kName, x, n);
  linear_mxfp8_out(x, weight, weight_scale, bias, scaling_mode, out);
  return out;
}

std::string linear_mxfp8_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale,
                                        const std::optional<Tensor>& bias,
                                        std::string_view scaling_mode) {
  const auto [n, k] = check_weight({kName, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  check_scaling_mode(kName, scaling_mode);
  return kernels::choose("linear_mxfp8", kernels::linear_mxfp8_implementations(),
                         check(operands, Activations(operands.x), weight, weight_scale))
      .name;
}

void grouped_linear_mxfp8_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                              const Tensor& weight_scale, const std::optional<Tensor>& bias,
                              std::string_view scaling_mode, const Tensor& out) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Float8_e4m3fn);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  const MxScaleMode mode = check_scaling_mode(kGrouped, scaling_mode);
  const Activations activations(operands.x);
  const auto args = check(operands, activations, weight, weight_scale);
  activations.quantize(operands.x, mode);
  kernels::grouped_linear(args, groups);
}

Tensor grouped_linear_mxfp8(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                            const Tensor& weight_scale, const std::optional<Tensor>& bias,
                            std::string_view scaling_mode) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Float8_e4m3fn);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_mxfp8_out(x, offsets, weight, weight_scale, bias, scaling_mode, out);
  return out;
}

}  // namespace

// x (*, K), quantized to MXFP8 inside with scaling_mode "floor", "ceil", "even" or "rceil"; weight
// (N, K) float8_e4m3fn; weight_scale (N, K / 32) float8_e8m0fnu. Returns (*, N) of x's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_mxfp8",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor? bias=None, "
                "str scaling_mode='rceil'");
  define_grouped_linear(
      library, "grouped_linear_mxfp8",
      "Tensor weight, Tensor weight_scale, Tensor? bias=None, str scaling_mode='rceil'");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_mxfp8", TORCH_BOX(&linear_mxfp8));
  library.impl("linear_mxfp8.out", TORCH_BOX(&linear_mxfp8_out));
  library.impl("linear_mxfp8.implementation", TORCH_BOX(&linear_mxfp8_implementation));
  library.impl("grouped_linear_mxfp8", TORCH_BOX(&grouped_linear_mxfp8));
  library.impl("grouped_linear_mxfp8.out", TORCH_BOX(&grouped_linear_mxfp8_out));
}

}  // namespace lowp::ops
