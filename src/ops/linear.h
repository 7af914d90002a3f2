// What every linear operator shares: y = x weight^T + bias over the last dimension of x.
#pragma once

#include <torch/csrc/stable/library.h>

#include <memory>
#include <optional>

#include "ops/checks.h"

namespace lowp::ops {

// The checked operands that do not depend on the weight's format.
//   x     (*, K) float32, float16 or bfloat16; copied only where its rows do not lie evenly apart
//   bias  (N) float32, float16 or bfloat16, or absent
//   out   (*, N) contiguous, float32, float16 or bfloat16
// With int8_too, x (contiguous then) and out may be int8.
struct LinearOperands {
  const char* operation;
  std::int64_t experts;        // 0 unless there is a weight an expert; bias is (experts, N) then
  kernels::Matrix x;           // (M, K)
  const float* bias;           // (N), or nullptr
  kernels::MutableMatrix out;  // (M, N)
  // What the pointers above may point into.
  Tensor x_owner;
  std::optional<Tensor> bias_owner;
};

LinearOperands check_linear(const char* operation, const Tensor& x, std::int64_t n, std::int64_t k,
                            const std::optional<Tensor>& bias, const Tensor& out,
                            std::int64_t experts = 0, bool int8_too = false);

// Rows and columns of a weight: two dimensions, at least one column, on the CPU, contiguous.
struct WeightShape {
  std::int64_t n;
  std::int64_t k;
};
WeightShape check_weight(const Argument& weight, ScalarType dtype, std::int64_t values_a_byte = 1);

// The group that a scale of (N, K / group) implies. Here and below `experts` is as in
// LinearOperands: if it is not 0, every shape has it before the others.
std::int64_t check_group_size(const Argument& scale, WeightShape weight, std::int64_t experts = 0);

// Scales, and integer or float zeros, of int4 groups: weight_scale (N, K / group) float32 or
// bfloat16, weight_zero_point int8 or weight_zero of the scale's dtype, as the scale.
struct Int4Weight {
  const void* scale;
  const std::int8_t* zero_point;  // or nullptr
  const void* zero;               // or nullptr
  DType scale_dtype;
  std::int64_t group_size;  // even
};
Int4Weight check_int4_weight(const char* operation, const Tensor& weight_scale,
                             const std::optional<Tensor>& weight_zero_point,
                             const std::optional<Tensor>& weight_zero, WeightShape weight,
                             std::int64_t experts = 0);

// A scale of (N, K / block), one byte each, of a weight whose blocks lie along K.
void check_block_scale(const Argument& scale, ScalarType dtype, WeightShape weight,
                       std::int64_t block, std::int64_t experts = 0);

// The float32 scale of a float8 weight; `block` is [-1, -1], [1, -1] or [128, 128].
kernels::Block check_fp8_weight_scale(const Argument& scale, Shape block, WeightShape weight,
                                      std::int64_t experts = 0);

// Memory for the quantized activations of one call, aligned to a cache line.
class Workspace {
 public:
  explicit Workspace(std::int64_t bytes);
  template <class T>
  T* at(std::int64_t offset) const {
    return reinterpret_cast<T*>(memory_.get() + offset);
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
};

// Defines `name(arguments) -> Tensor`, `name.out(arguments, *, out) -> ()`, and
// `name.implementation(arguments) -> str`, which tells what a call would run.
void define_linear(torch::stable::detail::StableLibrary& library, const char* name,
                   const char* arguments);

// An output for x (*, K): (*, n) of x's dtype, or the one given; x of int8 needs one.
Tensor empty_output(const char* operation, const Tensor& x, std::int64_t n,
                    std::optional<ScalarType> dtype = std::nullopt);

}  // namespace lowp::ops
