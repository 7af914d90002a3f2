// The checks of swizzle_scales and unswizzle_scales that CPU and CUDA share.
#pragma once

#include "ops/checks.h"
#include "ops/swizzle.h"

namespace lowp::ops {

inline constexpr char kSwizzleName[] = "lowp::swizzle_scales";
inline constexpr char kUnswizzleName[] = "lowp::unswizzle_scales";

inline void check_scale_bytes(const Argument& scale) {
  check_dtype(scale, {ScalarType::Float8_e8m0fnu, ScalarType::Float8_e4m3fn, ScalarType::Byte});
}

inline MatrixShape check_scales(const Argument& scale) {
  check_scale_bytes(scale);
  if (scale.tensor.dim() != 2) {
    fail(scale.operation, "scale is not a matrix", to_string(scale.tensor.sizes()),
         "two dimensions");
  }
  return {scale.tensor.size(0), scale.tensor.size(1)};
}

// The shape that a matrix (rows, cols) has swizzled.
inline MatrixShape check_swizzled(const Argument& swizzled, std::int64_t rows, std::int64_t cols) {
  check_scale_bytes(swizzled);
  if (rows < 0 || cols < 0) {
    const std::int64_t got[] = {rows, cols};
    fail(swizzled.operation, "rows and cols are not a shape", to_string(Shape(got, 2)),
         "sizes of 0 or more");
  }
  const MatrixShape shape = swizzled_shape({rows, cols});
  check_shape(swizzled, {shape.rows, shape.cols});
  return shape;
}

}  // namespace lowp::ops
