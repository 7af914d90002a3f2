// lowp::quantize_int8 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/quantize_int8/cuda.h"
#include "ops/affine.h"
#include "ops/cuda/quantize.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_int8";

void quantize_int8_out(const Tensor& x, Shape block, std::string_view mapping,
                       std::optional<ScalarType> scale_dtype, double eps, const Tensor& codes,
                       const Tensor& scale, const std::optional<Tensor>& zero_point) {
  const kernels::Matrix matrix = check_cuda_float_matrix({kName, "x", x});
  const std::int64_t rows = matrix.rows;
  const std::int64_t cols = matrix.cols;
  const kernels::Block sizes = check_dividing_block(kName, block, rows, cols);
  const Mapping kind = check_int8_mapping(kName, mapping);
  const std::int64_t scale_rows = rows / sizes.rows;
  const std::int64_t scale_cols = cols / sizes.cols;
  check_cuda_output({kName, "codes", codes}, x, ScalarType::Char, {rows, cols});
  check_cuda_output({kName, "scale", scale}, x, ScalarType::Float, {scale_rows, scale_cols});
  check_int8_zero_point(kName, mapping, kind, zero_point.has_value());
  if (zero_point) {
    check_cuda_output({kName, "zero_point", *zero_point}, x, ScalarType::Char,
                      {scale_rows, scale_cols});
  }
  const kernels::QuantizeInt8Args args{
      .x = matrix,
      .block = sizes,
      .mapping = kind,
      .scale_dtype = check_scale_dtype(kName, scale_dtype),
      .epsilon = static_cast<float>(eps),
      .codes = mutable_data<std::int8_t>(codes),
      .scale = mutable_data<float>(scale),
      .zero_point = zero_point ? mutable_data<std::int8_t>(*zero_point) : nullptr,
      .parallel = nullptr,
  };
  const Launch launch(x);
  const Workspace workspace(x, kernels::quantize_int8_cuda_workspace(args));
  check_launch(kName, kernels::quantize_int8_cuda(args, workspace.data, launch.stream));
}

std::tuple<Tensor, Tensor, Tensor> quantize_int8(const Tensor& x, Shape block,
                                                 std::string_view mapping,
                                                 std::optional<ScalarType> scale_dtype,
                                                 double eps) {
  const kernels::Matrix matrix = check_cuda_float_matrix({kName, "x", x});
  const kernels::Block sizes = check_dividing_block(kName, block, matrix.rows, matrix.cols);
  const bool asymmetric = check_int8_mapping(kName, mapping) == Mapping::kAsymmetric;
  const std::int64_t scale_rows = matrix.rows / sizes.rows;
  const std::int64_t scale_cols = matrix.cols / sizes.cols;
  const Tensor codes = empty_cuda(x, {matrix.rows, matrix.cols}, ScalarType::Char);
  const Tensor scale = empty_cuda(x, {scale_rows, scale_cols}, ScalarType::Float);
  const Tensor zero_point =
      empty_cuda(x, {asymmetric ? scale_rows : 0, asymmetric ? scale_cols : 0}, ScalarType::Char);
  quantize_int8_out(x, block, mapping, scale_dtype, eps, codes, scale,
                    asymmetric ? std::optional(zero_point) : std::nullopt);
  return {codes, scale, zero_point};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("quantize_int8", TORCH_BOX(&quantize_int8));
  library.impl("quantize_int8.out", TORCH_BOX(&quantize_int8_out));
}

}  // namespace lowp::ops
