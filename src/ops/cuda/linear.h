// What the linear operators on CUDA share whose weight is quantized and whose activations are not.
#pragma once

#include <torch/csrc/stable/library.h>

#include <optional>
#include <string>

#include "kernels/linear_common/cuda_linear.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {

// A weight whose codes are checked: dtype, two dimensions, at least one column, contiguous. Scales
// are left to the operator.
kernels::CudaWeight check_cuda_weight(const Argument& weight, const Tensor& x,
                                      kernels::CudaWeightFormat format, ScalarType dtype,
                                      std::int64_t values_a_byte);

// A scale, zero point or zero: on x's GPU, dense, of this dtype and shape.
const void* check_cuda_scale(const Argument& scale, const Tensor& x, ScalarType dtype,
                             std::initializer_list<std::int64_t> shape);

// The columns of a group that a scale (N, groups) implies.
std::int64_t check_cuda_group(const Argument& scale, const kernels::CudaWeight& weight);

// The scale of a weight whose blocks of `block` columns have one byte each.
void check_cuda_block_scale(const Argument& scale, const Tensor& x, ScalarType dtype,
                            std::int64_t block, kernels::CudaWeight& weight);

// An int4 weight with its scales and zeros, all checked: as linear_w4a16 takes them on the CPU.
kernels::CudaWeight check_cuda_int4_weight(const char* operation, const Tensor& x,
                                           const Tensor& weight, const Tensor& weight_scale,
                                           const std::optional<Tensor>& weight_zero_point,
                                           const std::optional<Tensor>& weight_zero);

// x (*, K) bfloat16 or float16; bias (N) of that dtype, or absent; out (*, N) of that dtype,
// contiguous.
void run_cuda_linear(const char* operation, const Tensor& x, const kernels::CudaWeight& weight,
                     const std::optional<Tensor>& bias, const Tensor& out);
Tensor cuda_linear(const char* operation, const Tensor& x, const kernels::CudaWeight& weight,
                   const std::optional<Tensor>& bias);

// What a call would run.
std::string cuda_linear_implementation(const char* operation, const Tensor& x,
                                       const kernels::CudaWeight& weight,
                                       const std::optional<Tensor>& bias);

}  // namespace lowp::ops
