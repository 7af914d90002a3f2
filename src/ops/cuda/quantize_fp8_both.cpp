// lowp::quantize_fp8_both on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/quantize_fp8_both/cuda.h"
#include "ops/cuda/quantize.h"
#include "ops/fp8_both.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_fp8_both";

void quantize_fp8_both_out(const Tensor& x, std::int64_t group_size, std::string_view element,
                           bool power_of_two, const Tensor& codes, const Tensor& scale,
                           const Tensor& codes_t, const Tensor& scale_t) {
  const kernels::Matrix matrix = check_cuda_float_matrix({kName, "x", x});
  const std::int64_t rows = matrix.rows;
  const std::int64_t cols = matrix.cols;
  const DType kind = check_fp8_element(kName, element);
  const BothShapes shapes = check_both(kName, rows, cols, group_size);
  check_cuda_output({kName, "codes", codes}, x, fp8_dtype(kind), {rows, cols});
  check_cuda_output({kName, "scale", scale}, x, ScalarType::Float, {rows, shapes.groups});
  check_cuda_output({kName, "codes_t", codes_t}, x, fp8_dtype(kind), {cols, rows});
  check_cuda_output({kName, "scale_t", scale_t}, x, ScalarType::Float, {cols, shapes.groups_t});
  const Launch launch(x);
  const LaunchMemory workspace(launch,
                               kernels::quantize_fp8_both_cuda_workspace(rows, cols, group_size));
  check_launch(kName, kernels::quantize_fp8_both_cuda({
                          .x = matrix,
                          .group_size = group_size,
                          .element = kind,
                          .power_of_two = power_of_two,
                          .codes = mutable_data<std::uint8_t>(codes),
                          .scale = mutable_data<float>(scale),
                          .codes_t = mutable_data<std::uint8_t>(codes_t),
                          .scale_t = mutable_data<float>(scale_t),
                          .workspace = workspace.data(),
                          .stream = launch.stream,
                      }));
}

std::tuple<Tensor, Tensor, Tensor, Tensor> quantize_fp8_both(const Tensor& x,
                                                             std::int64_t group_size,
                                                             std::string_view element,
                                                             bool power_of_two) {
  const auto [data, dtype, rows, cols, stride] = check_cuda_float_matrix({kName, "x", x});
  const ScalarType kind = fp8_dtype(check_fp8_element(kName, element));
  const BothShapes shapes = check_both(kName, rows, cols, group_size);
  const Tensor codes = empty_cuda(x, {rows, cols}, kind);
  const Tensor scale = empty_cuda(x, {rows, shapes.groups}, ScalarType::Float);
  const Tensor codes_t = empty_cuda(x, {cols, rows}, kind);
  const Tensor scale_t = empty_cuda(x, {cols, shapes.groups_t}, ScalarType::Float);
  quantize_fp8_both_out(x, group_size, element, power_of_two, codes, scale, codes_t, scale_t);
  return {codes, scale, codes_t, scale_t};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("quantize_fp8_both", TORCH_BOX(&quantize_fp8_both));
  library.impl("quantize_fp8_both.out", TORCH_BOX(&quantize_fp8_both_out));
}

}  // namespace lowp::ops
