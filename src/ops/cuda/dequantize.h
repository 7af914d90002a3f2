// What the dequantize operators share on CUDA.
#pragma once

#include "ops/cuda/quantize.h"
#include "ops/dequantize.h"

namespace lowp::ops {

// Codes: two dimensions, contiguous, on the GPU, of this dtype. Returns the rows and columns of the
// values they stand for.
inline ValueShape check_cuda_codes(const Argument& codes, ScalarType dtype,
                                   std::int64_t values_a_byte = 1) {
  const Tensor& tensor = codes.tensor;
  check_cuda(codes);
  if (tensor.dim() != 2) {
    fail(codes.operation, "codes is not a matrix", to_string(tensor.sizes()), "two dimensions");
  }
  check_cuda_dense(codes, dtype, {tensor.size(0), tensor.size(1)});
  return {tensor.size(0), tensor.size(1) * values_a_byte};
}

// What is written, on the GPU of `codes`; its rows may be strided.
inline kernels::MutableMatrix check_cuda_output_matrix(const Argument& argument,
                                                       const Tensor& codes, std::int64_t rows,
                                                       std::int64_t cols) {
  const kernels::Matrix matrix = check_cuda_float_matrix(argument);
  check_same_device(argument, codes);
  check_shape(argument, {rows, cols});
  if (matrix.stride < cols) {
    fail(argument.operation, concat({argument.name, " has rows that overlap"}),
         concat({"strides ", to_string(argument.tensor.strides())}), "rows of their own");
  }
  return {argument.tensor.mutable_data_ptr(), matrix.dtype, rows, cols, matrix.stride};
}

}  // namespace lowp::ops
