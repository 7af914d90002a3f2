// What the linear operators on CUDA share that quantize x inside.
#pragma once

#include <optional>

#include "ops/cuda/checks.h"

namespace lowp::ops {

// The checked operands that do not depend on the weight's format.
//   x     (*, K) float32, float16 or bfloat16; copied only where its rows do not lie evenly apart
//   bias  (N) float32, float16 or bfloat16, or absent
//   out   (*, N) contiguous, of x's dtype
struct DynamicOperands {
  kernels::Matrix x;  // (M, K)
  Tensor x_owner;
  const void* bias;
  DType bias_dtype;
  void* out;
  DType out_dtype;
};

struct DynamicWeight {
  std::int64_t n;
  std::int64_t k;
};

// Two dimensions, at least one column, contiguous, on x's GPU.
DynamicWeight check_dynamic_weight(const Argument& weight, const Tensor& x, ScalarType dtype);

DynamicOperands check_dynamic(const char* operation, const Tensor& x, DynamicWeight weight,
                              const std::optional<Tensor>& bias, const Tensor& out);

// An output for x (*, K): (*, n) of x's dtype.
Tensor empty_dynamic(const char* operation, const Tensor& x, std::int64_t n);

// Offsets of the parts of one workspace,
// each aligned to 256 bytes.
class Parts {
 public:
  // The offset of a part of this many bytes.
  std::int64_t add(std::int64_t bytes) {
    const std::int64_t offset = size_;
    size_ = ceil_div(size_ + bytes, 256) * 256;
    return offset;
  }
  std::int64_t size() const { return size_; }

 private:
  std::int64_t size_ = 0;
};

}  // namespace lowp::ops
