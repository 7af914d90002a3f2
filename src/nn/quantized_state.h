// The tensors of a quantized nn::Linear, and what is done with them.
#pragma once

#include <torch/types.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "lowp/nn/linear.h"
#include "schemes/quantized_weight.h"

namespace lowp::nn {

// QuantizedWeight as tensors, in the dtypes and shapes that the operators take; absent ones are
// undefined. One scale a tensor is repeated for every row where an operator wants rows.
struct QuantizedState {
  Scheme scheme;
  std::int64_t n = 0;
  std::int64_t k = 0;
  DType dtype = DType::kBF16;  // of the original weight
  DType scale_dtype = DType::kBF16;
  float reciprocal_tensor_scale = 0;
  ActivationOptions activation;

  torch::Tensor codes;
  torch::Tensor scale;
  torch::Tensor zero_point;
  torch::Tensor zero;
  torch::Tensor tensor_scale;  // (1)
  // (n), under int8 activations: int32, of int8 codes; float32, of the values of fewer bits, which
  // asymmetric activations alone need
  torch::Tensor row_sums;
  // Of int8 activations (nn/linear.h, ActivationOptions), float32 and int8.
  torch::Tensor activation_scale;       // (1)
  torch::Tensor activation_zero_point;  // (1)
  torch::Tensor activation_pre_scale;   // (k)

  // The tensors by the names that the module's buffers have.
  std::array<std::pair<const char*, torch::Tensor*>, 9> tensors();
};

QuantizedState make_state(const QuantizedWeight& weight, const ActivationOptions& activation);
QuantizedWeight to_weight(const QuantizedState& state);

// The values that x is multiplied with: those of the codes, times activation_pre_scale.
torch::Tensor dequantize(const QuantizedState& state, torch::ScalarType dtype);

// Sets what `activation` says, on the device of the codes.
void set_activation(QuantizedState& state, const ActivationOptions& activation);

// Sets row_sums where the scheme has them; codes and scales are there.
void set_row_sums(QuantizedState& state);

// x (*, K) to (*, N), without and with gradients to x and bias.
torch::Tensor run_linear(const QuantizedState& state, const torch::Tensor& x,
                         const torch::Tensor& bias);
torch::Tensor differentiable_linear(const std::shared_ptr<const QuantizedState>& state,
                                    const torch::Tensor& x, const torch::Tensor& bias);

// What the archive of a module needs to know beside the tensors.
void write_state(const QuantizedState& state, torch::serialize::OutputArchive& archive);
bool read_state(QuantizedState& state, torch::serialize::InputArchive& archive);

// As the operators name the elements of MXFP6.
inline std::string_view fp6_name(WeightFormat format) {
  return format == WeightFormat::kMxfp6E2m3 ? "e2m3" : "e3m2";
}

torch::ScalarType to_torch(DType dtype);
DType from_torch(torch::ScalarType dtype);  // float32, float16, bfloat16

}  // namespace lowp::nn
