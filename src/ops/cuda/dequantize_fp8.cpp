// lowp::dequantize_fp8 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/dequantize_fp8/cuda.h"
#include "ops/cuda/dequantize.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::dequantize_fp8";

ValueShape check_fp8_codes(const Tensor& codes) {
  const Argument argument{kName, "codes", codes};
  check_dtype(argument, {ScalarType::Float8_e4m3fn, ScalarType::Float8_e5m2});
  return check_cuda_codes(argument, codes.scalar_type());
}

void dequantize_fp8_out(const Tensor& codes, const Tensor& scale, Shape block, const Tensor& out) {
  const auto [rows, cols] = check_fp8_codes(codes);
  const kernels::Block sizes = check_block(kName, block, rows, cols);
  check_cuda_output({kName, "scale", scale}, codes, ScalarType::Float,
                    {ceil_div(rows, sizes.rows), ceil_div(cols, sizes.cols)});
  const Launch launch(codes);
  check_launch(kName,
               kernels::dequantize_fp8_cuda(
                   {
                       .codes = data<std::uint8_t>(codes),
                       .element = to_dtype(codes.scalar_type()),
                       .block = sizes,
                       .scale = data<float>(scale),
                       .out = check_cuda_output_matrix({kName, "out", out}, codes, rows, cols),
                       .parallel = nullptr,
                   },
                   launch.stream));
}

Tensor dequantize_fp8(const Tensor& codes, const Tensor& scale, Shape block,
                      std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_fp8_codes(codes);
  const Tensor out = empty_cuda(codes, {rows, cols}, check_value_dtype(kName, dtype));
  dequantize_fp8_out(codes, scale, block, out);
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("dequantize_fp8", TORCH_BOX(&dequantize_fp8));
  library.impl("dequantize_fp8.out", TORCH_BOX(&dequantize_fp8_out));
}

}  // namespace lowp::ops
