// A weight quantized and dequantized by the operators, where it is: what quantized_state.h does by
// way of the host. Both give the same bits.
#pragma once

#include "nn/quantized_state.h"
#include "schemes/quantized_weight.h"

namespace lowp::nn {

// weight (N, K), contiguous, of float32, float16 or bfloat16, that fits the scheme.
QuantizedState quantize_by_operators(const Scheme& scheme, const torch::Tensor& weight,
                                     const QuantizeWeightOptions& options,
                                     const ActivationOptions& activation);

// (N, K) on the device of the codes.
torch::Tensor dequantize_by_operators(const QuantizedState& state, torch::ScalarType dtype);

// 10 log10(sum x^2 / sum (x - dequantized)^2) over what is finite before and after;
// infinite if there is no noise.
double sqnr_db(const QuantizedState& state, const torch::Tensor& weight);

// Of codes and scales, scales as stored in scale_dtype; row sums follow from the codes.
std::int64_t byte_count(const QuantizedState& state);

}  // namespace lowp::nn
