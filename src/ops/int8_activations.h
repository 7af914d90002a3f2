// Activations quantized to int8 per token inside a linear operator: what W8A8 and W4A8 share.
#pragma once

#include "kernels/runtime/matrix.h"
#include "ops/linear.h"

namespace lowp::ops {

// The codes (M, K), scales (M) and zero points (M) of one call.
class Int8Activations {
 public:
  Int8Activations(std::int64_t m, std::int64_t k, bool asymmetric);

  std::int8_t* codes() const { return memory_.at<std::int8_t>(0); }
  float* scale() const { return memory_.at<float>(scale_offset_); }
  std::int8_t* zero_point() const {  // nullptr if symmetric
    return asymmetric_ ? memory_.at<std::int8_t>(zero_point_offset_) : nullptr;
  }
  bool asymmetric() const { return asymmetric_; }

  // Per token, scales in fp32: what the activations' dtype would round is kept.
  void quantize(const kernels::Matrix& x) const;

 private:
  std::int64_t scale_offset_;
  std::int64_t zero_point_offset_;
  bool asymmetric_;
  Workspace memory_;
};

// "symmetric" or "asymmetric".
bool check_asymmetric_activations(const char* operation, std::string_view mapping);

}  // namespace lowp::ops
