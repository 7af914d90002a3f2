// Operators that differ between devices in their checks and kernels alone are templates of a
// Device: CpuTensors or CudaTensors (cuda/quantize.h), and run, which calls the kernels.
#pragma once

#include "ops/checks.h"

namespace lowp::ops {

struct CpuTensors {
  // float32, bfloat16 or float16, (rows, cols); rows may be strided.
  static kernels::Matrix check_input(const Argument& x) { return check_matrix(x); }
  // A dense operand beside x.
  static void check_dense(const Argument& argument, const Tensor& /*x*/, ScalarType dtype,
                          std::initializer_list<std::int64_t> shape) {
    ops::check_dense(argument, dtype, shape);
  }
  static Tensor empty(const Tensor& /*x*/, std::initializer_list<std::int64_t> shape,
                      ScalarType dtype) {
    return ops::empty(shape, dtype);
  }
};

}  // namespace lowp::ops
