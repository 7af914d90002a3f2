// lowp::dequantize_mx and lowp::dequantize_nvfp4 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/dequantize_mx/cuda.h"
#include "kernels/dequantize_nvfp4/cuda.h"
#include "ops/cuda/checks.h"
#include "ops/dequantize.h"
#include "ops/mx.h"
#include "ops/nvfp4.h"

namespace lowp::ops {
namespace {

constexpr char kMxName[] = "lowp::dequantize_mx";
constexpr char kNvfp4Name[] = "lowp::dequantize_nvfp4";

ValueShape check_cuda_codes(const Argument& codes, ScalarType dtype, std::int64_t values_a_byte) {
  const Tensor& tensor = codes.tensor;
  if (tensor.dim() != 2) {
    fail(codes.operation, "codes is not a matrix", to_string(tensor.sizes()), "two dimensions");
  }
  check_cuda_dense(codes, dtype, {tensor.size(0), tensor.size(1)});
  return {tensor.size(0), tensor.size(1) * values_a_byte};
}

void check_operand(const Argument& argument, const Tensor& codes, ScalarType dtype,
                   std::initializer_list<std::int64_t> shape) {
  check_cuda_dense(argument, dtype, shape);
  check_same_device(argument, codes);
}

kernels::MutableMatrix check_cuda_output(const Argument& out, const Tensor& codes,
                                         ValueShape shape) {
  const kernels::Matrix matrix =
      check_cuda_matrix(out, {ScalarType::Float, ScalarType::BFloat16, ScalarType::Half});
  check_same_device(out, codes);
  check_shape(out, {shape.rows, shape.cols});
  if (matrix.stride < matrix.cols) {
    fail(out.operation, concat({out.name, " has rows that overlap"}),
         concat({"strides ", to_string(out.tensor.strides())}), "rows of their own");
  }
  return {out.tensor.mutable_data_ptr(), matrix.dtype, matrix.rows, matrix.cols, matrix.stride};
}

void dequantize_mx_out(const Tensor& codes, const Tensor& scale, std::string_view element,
                       const Tensor& out) {
  const DType kind = check_mx_element(kMxName, element);
  const ValueShape shape =
      check_cuda_codes({kMxName, "codes", codes}, codes_dtype(kind), values_a_byte(kind));
  const std::int64_t block_size = check_groups({kMxName, "scale", scale}, shape);
  check_operand({kMxName, "scale", scale}, codes, ScalarType::Float8_e8m0fnu,
                {shape.rows, shape.cols / block_size});
  const kernels::MutableMatrix matrix = check_cuda_output({kMxName, "out", out}, codes, shape);
  const Launch launch(codes);
  check_launch(kMxName, kernels::dequantize_mx_cuda({
                            .codes = data<std::uint8_t>(codes),
                            .element = kind,
                            .block_size = block_size,
                            .scale = data<std::uint8_t>(scale),
                            .out = matrix,
                            .stream = launch.stream,
                        }));
}

Tensor dequantize_mx(const Tensor& codes, const Tensor& scale, std::string_view element,
                     std::optional<ScalarType> dtype) {
  const DType kind = check_mx_element(kMxName, element);
  const auto [rows, cols] =
      check_cuda_codes({kMxName, "codes", codes}, codes_dtype(kind), values_a_byte(kind));
  const Tensor out = empty_cuda(codes, {rows, cols}, check_value_dtype(kMxName, dtype));
  dequantize_mx_out(codes, scale, element, out);
  return out;
}

void dequantize_nvfp4_out(const Tensor& codes, const Tensor& block_scale,
                          const Tensor& tensor_scale, const Tensor& out) {
  const ValueShape shape = check_cuda_codes({kNvfp4Name, "codes", codes}, ScalarType::Byte, 2);
  if (shape.cols % kNvfp4Cols != 0) {
    fail(kNvfp4Name, "codes has the wrong number of columns", to_string(codes.sizes()),
         "a multiple of 8 bytes");
  }
  check_operand({kNvfp4Name, "block_scale", block_scale}, codes, ScalarType::Float8_e4m3fn,
                {shape.rows, shape.cols / kNvfp4Cols});
  check_operand({kNvfp4Name, "tensor_scale", tensor_scale}, codes, ScalarType::Float, {1});
  const kernels::MutableMatrix matrix = check_cuda_output({kNvfp4Name, "out", out}, codes, shape);
  const Launch launch(codes);
  check_launch(kNvfp4Name, kernels::dequantize_nvfp4_cuda({
                               .codes = data<std::uint8_t>(codes),
                               .block_scale = data<std::uint8_t>(block_scale),
                               .tensor_scale = data<float>(tensor_scale),
                               .out = matrix,
                               .stream = launch.stream,
                           }));
}

Tensor dequantize_nvfp4(const Tensor& codes, const Tensor& block_scale, const Tensor& tensor_scale,
                        std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_cuda_codes({kNvfp4Name, "codes", codes}, ScalarType::Byte, 2);
  const Tensor out = empty_cuda(codes, {rows, cols}, check_value_dtype(kNvfp4Name, dtype));
  dequantize_nvfp4_out(codes, block_scale, tensor_scale, out);
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("dequantize_mx", TORCH_BOX(&dequantize_mx));
  library.impl("dequantize_mx.out", TORCH_BOX(&dequantize_mx_out));
  library.impl("dequantize_nvfp4", TORCH_BOX(&dequantize_nvfp4));
  library.impl("dequantize_nvfp4.out", TORCH_BOX(&dequantize_nvfp4_out));
}

}  // namespace lowp::ops
