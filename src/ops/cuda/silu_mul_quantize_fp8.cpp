// lowp::silu_mul_quantize_fp8 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/silu_mul_quantize_fp8/cuda.h"
#include "ops/cuda/quantize.h"
#include "ops/fp8.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::silu_mul_quantize_fp8";

void silu_mul_quantize_fp8_out(const Tensor& gate, const Tensor& up, Shape block,
                               std::string_view element, bool power_of_two, const Tensor& codes,
                               const Tensor& scale) {
  const kernels::Matrix matrix = check_cuda_float_matrix({kName, "gate", gate});
  const std::int64_t rows = matrix.rows;
  const std::int64_t cols = matrix.cols;
  const kernels::Matrix up_matrix = check_cuda_matrix({kName, "up", up}, {gate.scalar_type()});
  check_same_device({kName, "up", up}, gate);
  check_shape({kName, "up", up}, {rows, cols});
  const kernels::Block sizes = check_block(kName, block, rows, cols);
  const DType kind = check_fp8_element(kName, element);
  check_cuda_output({kName, "codes", codes}, gate, fp8_dtype(kind), {rows, cols});
  check_cuda_output({kName, "scale", scale}, gate, ScalarType::Float,
                    {ceil_div(rows, sizes.rows), ceil_div(cols, sizes.cols)});
  const Launch launch(gate);
  check_launch(kName, kernels::silu_mul_quantize_fp8_cuda(
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
                          up_matrix, launch.stream));
}

std::tuple<Tensor, Tensor> silu_mul_quantize_fp8(const Tensor& gate, const Tensor& up, Shape block,
                                                 std::string_view element, bool power_of_two) {
  const kernels::Matrix matrix = check_cuda_float_matrix({kName, "gate", gate});
  const kernels::Block sizes = check_block(kName, block, matrix.rows, matrix.cols);
  const Tensor codes =
      empty_cuda(gate, {matrix.rows, matrix.cols}, fp8_dtype(check_fp8_element(kName, element)));
  const Tensor scale =
      empty_cuda(gate, {ceil_div(matrix.rows, sizes.rows), ceil_div(matrix.cols, sizes.cols)},
                 ScalarType::Float);
  silu_mul_quantize_fp8_out(gate, up, block, element, power_of_two, codes, scale);
  return {codes, scale};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("silu_mul_quantize_fp8", TORCH_BOX(&silu_mul_quantize_fp8));
  library.impl("silu_mul_quantize_fp8.out", TORCH_BOX(&silu_mul_quantize_fp8_out));
}

}  // namespace lowp::ops
