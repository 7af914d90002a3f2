// lowp::quantize_fp8 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/quantize_fp8/cuda.h"
#include "ops/cuda/quantize.h"
#include "ops/fp8.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_fp8";

void quantize_fp8_out(const Tensor& x, Shape block, std::string_view element,
                      std::optional<ScalarType> scale_dtype,
                      const std::optional<Tensor>& static_scale, bool power_of_two,
                      const Tensor& codes, const Tensor& scale) {
  const kernels::Matrix matrix = check_cuda_float_matrix({kName, "x", x});
  const kernels::Block sizes = check_block(kName, block, matrix.rows, matrix.cols);
  const DType kind = check_fp8_element(kName, element);
  const std::int64_t scale_rows = ceil_div(matrix.rows, sizes.rows);
  const std::int64_t scale_cols = ceil_div(matrix.cols, sizes.cols);
  check_cuda_output({kName, "codes", codes}, x, fp8_dtype(kind), {matrix.rows, matrix.cols});
  check_cuda_output({kName, "scale", scale}, x, ScalarType::Float, {scale_rows, scale_cols});
  if (static_scale) {
    check_cuda_output({kName, "static_scale", *static_scale}, x, ScalarType::Float,
                      {scale_rows, scale_cols});
  }
  const kernels::QuantizeFp8Args args{
      .x = matrix,
      .block = sizes,
      .element = kind,
      .scale_dtype = check_scale_dtype(kName, scale_dtype),
      .power_of_two = power_of_two,
      .static_scale = static_scale ? data<float>(*static_scale) : nullptr,
      .codes = mutable_data<std::uint8_t>(codes),
      .scale = mutable_data<float>(scale),
      .parallel = nullptr,
  };
  const Launch launch(x);
  const LaunchMemory workspace(launch, kernels::quantize_fp8_cuda_workspace(args));
  check_launch(kName, kernels::quantize_fp8_cuda(args, workspace.data(), launch.stream));
}

std::tuple<Tensor, Tensor> quantize_fp8(const Tensor& x, Shape block, std::string_view element,
                                        std::optional<ScalarType> scale_dtype,
                                        const std::optional<Tensor>& static_scale,
                                        bool power_of_two) {
  const kernels::Matrix matrix = check_cuda_float_matrix({kName, "x", x});
  const kernels::Block sizes = check_block(kName, block, matrix.rows, matrix.cols);
  const Tensor codes =
      empty_cuda(x, {matrix.rows, matrix.cols}, fp8_dtype(check_fp8_element(kName, element)));
  const Tensor scale = empty_cuda(
      x, {ceil_div(matrix.rows, sizes.rows), ceil_div(matrix.cols, sizes.cols)}, ScalarType::Float);
  quantize_fp8_out(x, block, element, scale_dtype, static_scale, power_of_two, codes, scale);
  return {codes, scale};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("quantize_fp8", TORCH_BOX(&quantize_fp8));
  library.impl("quantize_fp8.out", TORCH_BOX(&quantize_fp8_out));
}

}  // namespace lowp::ops
