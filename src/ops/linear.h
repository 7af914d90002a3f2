// What every linear operator shares: y = x weight^T + bias over the last dimension of x.
#pragma once

#include <optional>

#include "ops/checks.h"

namespace lowp::ops {

// The checked operands that do not depend on the weight's format.
//   x     (*, K) float32, float16 or bfloat16; copied only where its rows do not lie evenly apart
//   bias  (N) float32, float16 or bfloat16, or absent
//   out   (*, N) contiguous, float32, float16 or bfloat16
struct LinearOperands {
  kernels::Matrix x;           // (M, K)
  const float* bias;           // (N), or nullptr
  kernels::MutableMatrix out;  // (M, N)
  // What the pointers above may point into.
  Tensor x_owner;
  std::optional<Tensor> bias_owner;
};

LinearOperands check_linear(const char* operation, const Tensor& x, std::int64_t n, std::int64_t k,
                            const std::optional<Tensor>& bias, const Tensor& out);

// Rows and columns of a weight: two dimensions, at least one column, on the CPU, contiguous.
struct WeightShape {
  std::int64_t n;
  std::int64_t k;
};
WeightShape check_weight(const Argument& weight, ScalarType dtype, std::int64_t values_a_byte = 1);

// The group that a scale of (N, K / group) implies.
std::int64_t check_group_size(const Argument& scale, WeightShape weight);

// An output for x (*, K): (*, n) of x's dtype.
Tensor empty_output(const char* operation, const Tensor& x, std::int64_t n);

}  // namespace lowp::ops
