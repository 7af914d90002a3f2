// What the operators of 1- to 7-bit weights check alike.
#pragma once

#include "ops/linear.h"

namespace lowp::ops {

inline void check_intx_bits(const char* operation, std::int64_t bits) {
  if (bits >= 1 && bits <= 7) return;
  fail(operation, "bits is out of range", std::to_string(bits), "1 to 7");
}

// Rows and columns of a dense stream of codes (rows, cols * bits / 8).
inline WeightShape check_intx_codes(const Argument& codes, std::int64_t bits) {
  check_intx_bits(codes.operation, bits);
  const Tensor& tensor = codes.tensor;
  if (tensor.dim() != 2) {
    fail(codes.operation, concat({codes.name, " is not a matrix"}), to_string(tensor.sizes()),
         "two dimensions");
  }
  check_dense(codes, ScalarType::Byte, {tensor.size(0), tensor.size(1)});
  if (tensor.size(1) % bits != 0) {
    fail(codes.operation, concat({codes.name, " does not hold eight codes in `bits` bytes"}),
         std::to_string(tensor.size(1)), concat({"columns a multiple of ", std::to_string(bits)}));
  }
  return {tensor.size(0), tensor.size(1) / bits * 8};
}

// The same of a weight, which has columns.
inline WeightShape check_intx_weight(const Argument& weight, std::int64_t bits) {
  const WeightShape shape = check_intx_codes(weight, bits);
  if (shape.k == 0) {
    fail(weight.operation, concat({weight.name, " is not a matrix with columns"}),
         to_string(weight.tensor.sizes()), "one column or more");
  }
  return shape;
}

// The group that the scale's shape implies is whole bytes.
inline void check_intx_group(const Argument& scale, WeightShape weight) {
  const std::int64_t group_size = check_group_size(scale, weight);
  if (group_size % 8 != 0) {
    fail(scale.operation, concat({scale.name, " implies a group that ends within a byte"}),
         std::to_string(group_size), "a multiple of 8 columns a group");
  }
}

}  // namespace lowp::ops
