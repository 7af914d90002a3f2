#include "kernels/linear_nvfp4/linear_nvfp4.h"

#include "ops/grouped_linear.h"
#include "ops/linear.h"
#include "ops/pack_weight.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_nvfp4";
constexpr char kGrouped[] = "lowp::grouped_linear_nvfp4";

constexpr std::int64_t kBlock = 16;

kernels::LinearNvfp4Args check(const LinearOperands& operands, const Tensor& weight,
                               const Tensor& weight_block_scale,
                               const Tensor& weight_tensor_scale) {
  const bool packed = operands.experts == 0 && is_packed(weight);
  check_packable_block_scale({operands.operation, "weight_block_scale", weight_block_scale},
                             ScalarType::Float8_e4m3fn, {operands.out.cols, operands.x.cols},
                             kBlock, operands.experts, packed);
  check_dense({operands.operation, "weight_tensor_scale", weight_tensor_scale}, ScalarType::Float,
              operands.experts, {1});
  return {
      .x = operands.x,
      .weight = data<std::uint8_t>(weight),
      .weight_block_scale = data<std::uint8_t>(weight_block_scale),
      .weight_tensor_scale = data<float>(weight_tensor_scale),
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
      .packed = packed,
  };
}

void linear_nvfp4_out(const Tensor& x, const Tensor& weight, const Tensor& weight_block_scale,
                      const Tensor& weight_tensor_scale, const std::optional<Tensor>& bias,
                      const Tensor& out) {
  const auto [n, k] = check_packable_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, out);
  kernels::linear_nvfp4(check(operands, weight, weight_block_scale, weight_tensor_scale));
}

Tensor linear_nvfp4(const Tensor& x, const Tensor& weight, const Tensor& weight_block_scale,
                    const Tensor& weight_tensor_scale, const std::optional<Tensor>& bias) {
  const auto [n, k] = check_packable_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const Tensor out = empty_output(kName, x, n);
  linear_nvfp4_out(x, weight, weight_block_scale, weight_tensor_scale, bias, out);
  return out;
}

std::string linear_nvfp4_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_block_scale,
                                        const Tensor& weight_tensor_scale,
                                        const std::optional<Tensor>& bias) {
  const auto [n, k] = check_packable_weight({kName, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kName, x, n, k, bias, empty_output(kName, x, n));
  return kernels::choose("linear_nvfp4", kernels::linear_nvfp4_implementations(),
                         check(operands, weight, weight_block_scale, weight_tensor_scale))
      .name;
}

void grouped_linear_nvfp4_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                              const Tensor& weight_block_scale, const Tensor& weight_tensor_scale,
                              const std::optional<Tensor>& bias, const Tensor& out) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Byte, 2);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  kernels::grouped_linear(check(operands, weight, weight_block_scale, weight_tensor_scale), groups);
}

Tensor grouped_linear_nvfp4(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                            const Tensor& weight_block_scale, const Tensor& weight_tensor_scale,
                            const std::optional<Tensor>& bias) {
  const auto [n, k, experts] =
      check_expert_weight({kGrouped, "weight", weight}, ScalarType::Byte, 2);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_nvfp4_out(x, offsets, weight, weight_block_scale, weight_tensor_scale, bias, out);
  return out;
}

}  // namespace

// NVFP4 weight-only: x (*, K); weight (N, K / 2) uint8, e2m1 pairs, even k low; weight_block_scale
// (N, K / 16) float8_e4m3fn; weight_tensor_scale (1) float32; w = code * block_scale *
// tensor_scale. Returns (*, N) of x's dtype. On the CPU weight and weight_block_scale may be packed
// (pack_weight).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_nvfp4",
                "Tensor x, Tensor weight, Tensor weight_block_scale, Tensor weight_tensor_scale, "
                "Tensor? bias=None");
  define_grouped_linear(
      library, "grouped_linear_nvfp4",
      "Tensor weight, Tensor weight_block_scale, Tensor weight_tensor_scale, Tensor? bias=None");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_nvfp4", TORCH_BOX(&linear_nvfp4));
  library.impl("linear_nvfp4.out", TORCH_BOX(&linear_nvfp4_out));
  library.impl("linear_nvfp4.implementation", TORCH_BOX(&linear_nvfp4_implementation));
  library.impl("grouped_linear_nvfp4", TORCH_BOX(&grouped_linear_nvfp4));
  library.impl("grouped_linear_nvfp4.out", TORCH_BOX(&grouped_linear_nvfp4_out));
}

}  // namespace lowp::ops
