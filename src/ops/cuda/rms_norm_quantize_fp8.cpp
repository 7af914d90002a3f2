// lowp::rms_norm_quantize_fp8 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/rms_norm_quantize_fp8/cuda.h"
#include "ops/cuda/quantize.h"
#include "ops/fp8.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::rms_norm_quantize_fp8";

void rms_norm_quantize_fp8_out(const Tensor& x, const Tensor& weight, double eps, Shape block,
                               std::string_view element, bool power_of_two, double weight_offset,
                               const Tensor& codes, const Tensor& scale) {
  const kernels::Matrix matrix = check_cuda_float_matrix({kName, "x", x});
  const std::int64_t rows = matrix.rows;
  const std::int64_t cols = matrix.cols;
  check_dtype({kName, "weight", weight}, {x.scalar_type(), ScalarType::Float});
  check_cuda_output({kName, "weight", weight}, x, weight.scalar_type(), {cols});
  const kernels::Block sizes = check_row_block(kName, block, rows, cols);
  const DType kind = check_fp8_element(kName, element);
  check_cuda_output({kName, "codes", codes}, x, fp8_dtype(kind), {rows, cols});
  check_cuda_output({kName, "scale", scale}, x, ScalarType::Float,
                    {rows, ceil_div(cols, sizes.cols)});
  const Launch launch(x);
  check_launch(
      kName, kernels::rms_norm_quantize_fp8_cuda({
                 .quantize =
                     {
                         .x = matrix,
                         .block = sizes,
                         .element = kind,
                         .scale_dtype = DType::kF32,
                         .power_of_two = power_of_two,
                         .static_scale = nullptr,
                         .codes = mutable_data<std::uint8_t>(codes),
                         .scale = mutable_data<float>(scale),
                         .parallel = nullptr,
                     },
                 .weight = {weight.const_data_ptr(), to_dtype(weight.scalar_type()), 1, cols, cols},
                 .epsilon = static_cast<float>(eps),
                 .weight_offset = static_cast<float>(weight_offset),
                 .stream = launch.stream,
             }));
}

std::tuple<Tensor, Tensor> rms_norm_quantize_fp8(const Tensor& x, const Tensor& weight, double eps,
                                                 Shape block, std::string_view element,
                                                 bool power_of_two, double weight_offset) {
  const kernels::Matrix matrix = check_cuda_float_matrix({kName, "x", x});
  const kernels::Block sizes = check_row_block(kName, block, matrix.rows, matrix.cols);
  const Tensor codes =
      empty_cuda(x, {matrix.rows, matrix.cols}, fp8_dtype(check_fp8_element(kName, element)));
  const Tensor scale =
      empty_cuda(x, {matrix.rows, ceil_div(matrix.cols, sizes.cols)}, ScalarType::Float);
  rms_norm_quantize_fp8_out(x, weight, eps, block, element, power_of_two, weight_offset, codes,
                            scale);
  return {codes, scale};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("rms_norm_quantize_fp8", TORCH_BOX(&rms_norm_quantize_fp8));
  library.impl("rms_norm_quantize_fp8.out", TORCH_BOX(&rms_norm_quantize_fp8_out));
}

}  // namespace lowp::ops
