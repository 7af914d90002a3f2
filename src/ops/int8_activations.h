// Activations quantized to int8 per token inside a linear operator: what W8A8 and W4A8
// share.
#pragma once

#include "kernels/quantize_int8/quantize_int8.h"
#include "kernels/runtime/matrix.h"
#include "ops/linear.h"

namespace lowp::ops {

// How activations become int8, checked.
struct Int8Recipe {
  bool asymmetric;
  bool per_tensor = false;                  // else per token
  const float* pre_scale = nullptr;         // (K): factors of the columns before
  const float* scale = nullptr;             // (1): static
  const std::int8_t* zero_point = nullptr;  // (1): with scale if asymmetric
};

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

  void quantize(const kernels::Matrix& x) const { quantize(x, {.asymmetric = asymmetric_}); }
  void quantize(const kernels::Matrix& x, const Int8Recipe& recipe) const;
  // Scales and zero points of codes that there are already.
  void set_static(std::int64_t m, const Int8Recipe& recipe) const;

 private:
  std::int64_t scale_offset_;
  std::int64_t zero_point_offset_;
  bool asymmetric_;
  Workspace memory_;
};

// "symmetric" or "asymmetric".
inline bool check_asymmetric_activations(const char* operation, std::string_view mapping) {
  return check_choice<bool>(operation, "activation_mapping", mapping,
                            {{"symmetric", false}, {"asymmetric", true}});
}

// Row sums of a weight with groups, fp32 (N) of each expert, which asymmetric activations need;
// nullptr without. Groups are at most `longest` columns, whose sum fits int32.
const float* check_groups_of_int8(const LinearOperands& operands, bool asymmetric,
                                  std::int64_t group_size, std::int64_t longest,
                                  const std::optional<Tensor>& weight_row_sums);

// Per token, scales in fp32: what the activations' dtype would round is kept. Where the codes go is
// the caller's to say.
inline kernels::QuantizeInt8Args int8_quantization(const kernels::Matrix& x, bool asymmetric) {
  return {
      .x = x,
      .block = {1, x.cols},
      .mapping = asymmetric ? Mapping::kAsymmetric : Mapping::kSymmetric,
      .scale_dtype = DType::kF32,
      .epsilon = 0x1p-23F,
      .codes = nullptr,
      .scale = nullptr,
      .zero_point = nullptr,
      .parallel = nullptr,
  };
}

}  // namespace lowp::ops
