#include <torch/csrc/stable/library.h>

#include "kernels/quantize_fp8/quantize_fp8.h"
#include "kernels/rms_norm/rms_norm.h"
#include "ops/fp8.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::rms_norm_quantize_fp8";

void rms_norm_quantize_fp8_out(const Tensor& x, const Tensor& weight, double eps, Shape block,
                               std::string_view element, bool power_of_two, double weight_offset,
                               const Tensor& codes, const Tensor& scale) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const std::int64_t rows = matrix.rows;
  const std::int64_t cols = matrix.cols;
  check_dtype({kName, "weight", weight},
              {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
  check_dense({kName, "weight", weight}, weight.scalar_type(), {cols});
  const kernels::Block sizes = check_row_block(kName, block, rows, cols);
  const DType kind = check_fp8_element(kName, element);
  check_dense({kName, "codes", codes}, fp8_dtype(kind), {rows, cols});
  check_dense({kName, "scale", scale}, ScalarType::Float, {rows, ceil_div(cols, sizes.cols)});
  const Tensor norm = empty({rows, cols}, x.scalar_type());
  kernels::rms_norm({
      .x = matrix,
      .residual = {},
      .weight = {weight.const_data_ptr(), to_dtype(weight.scalar_type()), 1, cols, cols},
      .epsilon = static_cast<float>(eps),
      .weight_offset = static_cast<float>(weight_offset),
      .out = check_output_matrix({kName, "norm", norm}, rows, cols),
      .parallel = torch_pool(),
  });
  kernels::quantize_fp8({
      .x = check_matrix({kName, "norm", norm}),
      .block = sizes,
      .element = kind,
      .scale_dtype = DType::kF32,
      .power_of_two = power_of_two,
      .static_scale = nullptr,
      .codes = mutable_data<std::uint8_t>(codes),
      .scale = mutable_data<float>(scale),
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor> rms_norm_quantize_fp8(const Tensor& x, const Tensor& weight, double eps,
                                                 Shape block, std::string_view element,
                                                 bool power_of_two, double weight_offset) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const kernels::Block sizes = check_row_block(kName, block, matrix.rows, matrix.cols);
  const Tensor codes =
      empty({matrix.rows, matrix.cols}, fp8_dtype(check_fp8_element(kName, element)));
  const Tensor scale = empty({matrix.rows, ceil_div(matrix.cols, sizes.cols)}, ScalarType::Float);
  rms_norm_quantize_fp8_out(x, weight, eps, block, element, power_of_two, weight_offset, codes,
                            scale);
  return {codes, scale};
}

}  // namespace

// quantize_fp8 of rms_norm(x), which is rounded to x's dtype in between: x (M, N), weight (N);
// block (1, -1), rows, or (1, 128). On CUDA the norm is never written to memory.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "rms_norm_quantize_fp8(Tensor x, Tensor weight, float eps, int[] block, str element='e4m3', "
      "bool power_of_two=False, float weight_offset=0.0) -> (Tensor codes, Tensor scale)");
  library.def(
      "rms_norm_quantize_fp8.out(Tensor x, Tensor weight, float eps, int[] block, "
      "str element='e4m3', bool power_of_two=False, float weight_offset=0.0, *, Tensor(a!) codes, "
      "Tensor(b!) scale) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("rms_norm_quantize_fp8", TORCH_BOX(&rms_norm_quantize_fp8));
  library.impl("rms_norm_quantize_fp8.out", TORCH_BOX(&rms_norm_quantize_fp8_out));
}

}  // namespace lowp::ops
