// lowp::dequantize_int8 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/dequantize_int8/cuda.h"
#include "ops/cuda/dequantize.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::dequantize_int8";

void dequantize_int8_out(const Tensor& codes, const Tensor& scale, Shape block,
                         const std::optional<Tensor>& zero_point, const Tensor& out) {
  const auto [rows, cols] = check_cuda_codes({kName, "codes", codes}, ScalarType::Char);
  const kernels::Block sizes = check_dividing_block(kName, block, rows, cols);
  const std::int64_t scale_rows = rows / sizes.rows;
  const std::int64_t scale_cols = cols / sizes.cols;
  check_cuda_output({kName, "scale", scale}, codes, ScalarType::Float, {scale_rows, scale_cols});
  if (zero_point) {
    check_cuda_output({kName, "zero_point", *zero_point}, codes, ScalarType::Char,
                      {scale_rows, scale_cols});
  }
  const Launch launch(codes);
  check_launch(kName,
               kernels::dequantize_int8_cuda(
                   {
                       .codes = data<std::int8_t>(codes),
                       .block = sizes,
                       .scale = data<float>(scale),
                       .zero_point = zero_point ? data<std::int8_t>(*zero_point) : nullptr,
                       .out = check_cuda_output_matrix({kName, "out", out}, codes, rows, cols),
                       .parallel = nullptr,
                   },
                   launch.stream));
}

Tensor dequantize_int8(const Tensor& codes, const Tensor& scale, Shape block,
                       const std::optional<Tensor>& zero_point, std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_cuda_codes({kName, "codes", codes}, ScalarType::Char);
  const Tensor out = empty_cuda(codes, {rows, cols}, check_value_dtype(kName, dtype));
  dequantize_int8_out(codes, scale, block, zero_point, out);
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("dequantize_int8", TORCH_BOX(&dequantize_int8));
  library.impl("dequantize_int8.out", TORCH_BOX(&dequantize_int8_out));
}

}  // namespace lowp::ops
