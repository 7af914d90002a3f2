// The string argument of the float8 operators.
#pragma once

#include "ops/checks.h"

namespace lowp::ops {

inline DType check_fp8_element(const char* operation, std::string_view element) {
  return check_choice<DType>(operation, "element", element,
                             {{"e4m3", DType::kF8E4M3}, {"e5m2", DType::kF8E5M2}});
}

inline ScalarType fp8_dtype(DType element) {
  return element == DType::kF8E4M3 ? ScalarType::Float8_e4m3fn : ScalarType::Float8_e5m2;
}

// Rows, or groups of 128: what an operation that has whole rows at hand quantizes in.
inline kernels::Block check_row_block(const char* operation, Shape block, std::int64_t rows,
                                      std::int64_t cols) {
  const kernels::Block sizes = check_block(operation, block, rows, cols);
  if (sizes.rows == 1 && (sizes.cols >= cols || sizes.cols == 128)) return sizes;
  fail(operation, "block is not within a row", to_string(block), "(1, -1) or (1, 128)");
}

}  // namespace lowp::ops
