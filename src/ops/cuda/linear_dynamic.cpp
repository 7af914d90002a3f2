#include "ops/cuda/linear_dynamic.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

namespace lowp::ops {
namespace {

constexpr std::initializer_list<ScalarType> kFloats{ScalarType::Float, ScalarType::Half,
                                                    ScalarType::BFloat16};

void check_activation(const char* operation, const Tensor& x) {
  check_cuda({operation, "x", x});
  check_dtype({operation, "x", x}, kFloats);
  if (x.dim() == 0) fail(operation, "x has no dimensions", "a scalar", "(*, K)");
}

std::vector<std::int64_t> output_shape(const Tensor& x, std::int64_t n) {
  std::vector<std::int64_t> shape(x.sizes().begin(), x.sizes().end());
  shape.back() = n;
  return shape;
}

void check_out(const Argument& out, const Tensor& x, std::int64_t n) {
  check_same_device(out, x);
  check_dtype(out, {x.scalar_type()});
  const std::vector<std::int64_t> expected = output_shape(x, n);
  const Shape sizes = out.tensor.sizes();
  if (out.tensor.is_contiguous() &&
      std::equal(expected.begin(), expected.end(), sizes.begin(), sizes.end())) {
    return;
  }
  fail(out.operation, "out does not fit x and the weight",
       concat({to_string(sizes), " with strides ", to_string(out.tensor.strides())}),
       concat({"a contiguous tensor of ", to_string(Shape(expected.data(), expected.size()))}));
}

}  // namespace

DynamicWeight check_dynamic_weight(const Argument& weight, const Tensor& x, ScalarType dtype) {
  check_activation(weight.operation, x);
  check_same_device(weight, x);
  const Tensor& tensor = weight.tensor;
  if (tensor.dim() != 2 || tensor.size(1) == 0) {
    fail(weight.operation, concat({weight.name, " is not a matrix with columns"}),
         to_string(tensor.sizes()), "two dimensions");
  }
  check_cuda_dense(weight, dtype, {tensor.size(0), tensor.size(1)});
  return {tensor.size(0), tensor.size(1)};
}

DynamicOperands check_dynamic(const char* operation, const Tensor& x, DynamicWeight weight,
                              const std::optional<Tensor>& bias, const Tensor& out) {
  const Shape sizes = x.sizes();
  if (sizes.back() != weight.k) {
    fail(operation, "x does not fit the weight", to_string(sizes),
         concat({"a last dimension of ", std::to_string(weight.k)}));
  }
  const std::int64_t m =
      std::accumulate(sizes.begin(), sizes.end() - 1, std::int64_t{1}, std::multiplies<>());
  for (const std::int64_t size : {m, weight.n, weight.k}) {
    if (size > INT32_MAX - 256) {
      fail(operation, "a dimension is too large", std::to_string(size), "below 2^31");
    }
  }
  const bool even = x.is_contiguous() || (x.dim() == 2 && x.stride(1) == 1);
  DynamicOperands operands{};
  operands.x_owner = even ? x : torch::stable::contiguous(x);
  const Tensor& rows = operands.x_owner;
  operands.x = {rows.const_data_ptr(), to_dtype(rows.scalar_type()), m, weight.k,
                rows.is_contiguous() ? weight.k : rows.stride(0)};
  if (bias) {
    const Argument argument{operation, "bias", *bias};
    check_same_device(argument, x);
    check_dtype(argument, kFloats);
    check_cuda_dense(argument, bias->scalar_type(), {weight.n});
    operands.bias = bias->const_data_ptr();
    operands.bias_dtype = to_dtype(bias->scalar_type());
  }
  check_out({operation, "out", out}, x, weight.n);
  operands.out = out.mutable_data_ptr();
  operands.out_dtype = to_dtype(out.scalar_type());
  return operands;
}

Tensor empty_dynamic(const char* operation, const Tensor& x, std::int64_t n) {
  check_activation(operation, x);
  const std::vector<std::int64_t> shape = output_shape(x, n);
  return empty_cuda(x, Shape(shape.data(), shape.size()), x.scalar_type());
}

}  // namespace lowp::ops
