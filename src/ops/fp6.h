// What the operators of packed codes of six bits check alike.
#pragma once

#include "ops/linear.h"

namespace lowp::ops {

// Rows and columns of codes four in three bytes, (rows, cols * 6 / 8).
inline WeightShape check_packed_fp6(const Argument& packed) {
  const Tensor& tensor = packed.tensor;
  if (tensor.dim() != 2 || tensor.size(1) % 3 != 0) {
    fail(packed.operation, concat({packed.name, " is not a matrix of groups of three bytes"}),
         to_string(tensor.sizes()), "two dimensions, columns a multiple of 3");
  }
  check_dense(packed, ScalarType::Byte, {tensor.size(0), tensor.size(1)});
  return {tensor.size(0), tensor.size(1) / 3 * 4};
}

// "e2m3", "e3m2".
inline DType check_fp6_element(const char* operation, std::string_view element) {
  return check_choice<DType>(operation, "element", element,
                             {{"e2m3", DType::kF6E2M3}, {"e3m2", DType::kF6E3M2}});
}

}  // namespace lowp::ops
