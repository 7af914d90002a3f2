// What every dequantize operator shares.
#pragma once

#include <optional>

#include "ops/checks.h"

namespace lowp::ops {

// Codes: two dimensions, contiguous, on the CPU, of this dtype. Returns the rows and columns of the
// values they stand for.
struct ValueShape {
  std::int64_t rows;
  std::int64_t cols;
};
inline ValueShape check_codes(const Argument& codes, ScalarType dtype,
                              std::int64_t values_a_byte = 1) {
  const Tensor& tensor = codes.tensor;
  if (tensor.dim() != 2) {
    fail(codes.operation, "codes is not a matrix", to_string(tensor.sizes()), "two dimensions");
  }
  check_dense(codes, dtype, {tensor.size(0), tensor.size(1)});
  return {tensor.size(0), tensor.size(1) * values_a_byte};
}

// Columns that a scale of (rows, groups) covers.
inline std::int64_t check_groups(const Argument& scale, ValueShape shape) {
  const Tensor& tensor = scale.tensor;
  const bool fits = tensor.dim() == 2 && tensor.size(0) == shape.rows &&
                    (shape.cols == 0 || (tensor.size(1) > 0 && shape.cols % tensor.size(1) == 0));
  if (!fits) {
    fail(scale.operation, concat({scale.name, " does not fit codes"}), to_string(tensor.sizes()),
         concat({"(", std::to_string(shape.rows), ", groups), groups a divisor of ",
                 std::to_string(shape.cols)}));
  }
  return shape.cols == 0 ? 1 : shape.cols / tensor.size(1);
}

// The dtype of the values: float32 unless given.
inline ScalarType check_value_dtype(const char* operation, std::optional<ScalarType> dtype) {
  const ScalarType got = dtype.value_or(ScalarType::Float);
  if (got == ScalarType::Float || got == ScalarType::BFloat16 || got == ScalarType::Half)
    return got;
  fail(operation, "dtype is not one of the values'", name(got), "float32, bfloat16 or float16");
}

}  // namespace lowp::ops
