// What the quantize and dequantize operators share on CUDA.
#pragma once

#include "ops/cuda/checks.h"
#include "ops/device.h"

namespace lowp::ops {

// float32, bfloat16 or float16.
inline kernels::Matrix check_cuda_float_matrix(const Argument& argument) {
  return check_cuda_matrix(argument, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
}

// A dense operand on the GPU of `x`.
inline void check_cuda_output(const Argument& argument, const Tensor& x, ScalarType dtype,
                              std::initializer_list<std::int64_t> shape) {
  check_cuda_dense(argument, dtype, shape);
  check_same_device(argument, x);
}

// A Device (ops/device.h) without its run.
struct CudaTensors {
  static kernels::Matrix check_input(const Argument& x) { return check_cuda_float_matrix(x); }
  static void check_dense(const Argument& argument, const Tensor& x, ScalarType dtype,
                          std::initializer_list<std::int64_t> shape) {
    check_cuda_output(argument, x, dtype, shape);
  }
  static Tensor empty(const Tensor& x, std::initializer_list<std::int64_t> shape,
                      ScalarType dtype) {
    return empty_cuda(x, shape, dtype);
  }
};

}  // namespace lowp::ops
