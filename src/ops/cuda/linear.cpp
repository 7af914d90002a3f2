#include "ops/cuda/linear.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "kernels/linear_common/cuda_dispatch.h"

namespace lowp::ops {
namespace {

constexpr std::uintptr_t kAlignment = 16;

std::vector<std::int64_t> output_shape(const Tensor& x, std::int64_t n) {
  std::vector<std::int64_t> shape(x.sizes().begin(), x.sizes().end());
  shape.back() = n;
  return shape;
}

void check_activation(const char* operation, const Tensor& x, std::int64_t k) {
  check_cuda({operation, "x", x});
  check_dtype({operation, "x", x}, {ScalarType::BFloat16, ScalarType::Half});
  if (x.dim() == 0) fail(operation, "x has no dimensions", "a scalar", "(*, K)");
  if (x.sizes().back() != k) {
    fail(operation, "x does not fit the weight", to_string(x.sizes()),
         concat({"a last dimension of ", std::to_string(k)}));
  }
}

// Rows evenly apart that kernels read 16 bytes at a time and that do not overlap, which the copy
// engine does not take; anything else is copied.
bool has_aligned_rows(const Tensor& x) {
  const bool even = x.is_contiguous() || (x.dim() == 2 && x.stride(1) == 1);
  return even && reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % kAlignment == 0 &&
         (x.dim() < 2 || x.is_contiguous() || (x.stride(0) % 8 == 0 && x.stride(0) >= x.size(1)));
}

Tensor aligned(const Tensor& x) {
  if (has_aligned_rows(x)) return x;
  return x.is_contiguous() ? torch::stable::clone(x) : torch::stable::contiguous(x);
}

void check_bias(const Argument& bias, const Tensor& x, std::int64_t n) {
  check_same_device(bias, x);
  check_cuda_dense(bias, x.scalar_type(), {n});
}

// x as the kernels take it.
Tensor check_operands(const char* operation, const Tensor& x, const kernels::CudaWeight& weight,
                      const std::optional<Tensor>& bias) {
  check_activation(operation, x, weight.k);
  if (bias) check_bias({operation, "bias", *bias}, x, weight.n);
  return aligned(x);
}

// All but out and the stream.
kernels::CudaLinearArgs arguments(const Tensor& x, const kernels::CudaWeight& weight,
                                  const std::optional<Tensor>& bias) {
  kernels::CudaLinearArgs args{};
  args.x = x.const_data_ptr();
  args.x_dtype = to_dtype(x.scalar_type());
  args.m = x.numel() / weight.k;
  args.x_stride = x.is_contiguous() ? weight.k : x.stride(0);
  args.weight = weight;
  args.bias = bias ? bias->const_data_ptr() : nullptr;
  return args;
}

void check_out(const char* operation, const Tensor& x, std::int64_t n, const Tensor& out) {
  check_same_device({operation, "out", out}, x);
  check_dtype({operation, "out", out}, {x.scalar_type()});
  const std::vector<std::int64_t> expected = output_shape(x, n);
  if (out.is_contiguous() &&
      std::equal(expected.begin(), expected.end(), out.sizes().begin(), out.sizes().end())) {
    return;
  }
  fail(operation, "out does not fit x and the weight",
       concat({to_string(out.sizes()), " with strides ", to_string(out.strides())}),
       concat({"a contiguous tensor of ", to_string(Shape(expected.data(), expected.size()))}));
}

}  // namespace

kernels::CudaWeight check_cuda_weight(const Argument& weight, const Tensor& x,
                                      kernels::CudaWeightFormat format, ScalarType dtype,
                                      std::int64_t values_a_byte) {
  check_cuda({weight.operation, "x", x});
  check_same_device(weight, x);
  const Tensor& tensor = weight.tensor;
  if (tensor.dim() != 2 || tensor.size(1) == 0) {
    fail(weight.operation, concat({weight.name, " is not a matrix with columns"}),
         to_string(tensor.sizes()), "two dimensions");
  }
  check_cuda_dense(weight, dtype, {tensor.size(0), tensor.size(1)});
  kernels::CudaWeight result{};
  result.format = format;
  result.codes = tensor.const_data_ptr();
  result.scale_dtype = DType::kF32;
  result.group_rows = 1;
  result.n = tensor.size(0);
  result.k = tensor.size(1) * values_a_byte;
  result.group_cols = result.k;
  return result;
}

const void* check_cuda_scale(const Argument& scale, const Tensor& x, ScalarType dtype,
                             std::initializer_list<std::int64_t> shape) {
  check_same_device(scale, x);
  check_cuda_dense(scale, dtype, shape);
  return scale.tensor.const_data_ptr();
}

std::int64_t check_cuda_group(const Argument& scale, const kernels::CudaWeight& weight) {
  const Tensor& tensor = scale.tensor;
  if (tensor.dim() != 2 || tensor.size(0) != weight.n || tensor.size(1) == 0 ||
      weight.k % tensor.size(1) != 0) {
    fail(scale.operation, concat({scale.name, " has the wrong shape"}), to_string(tensor.sizes()),
         concat({"(", std::to_string(weight.n), ", groups), groups a divisor of ",
                 std::to_string(weight.k)}));
  }
  return weight.k / tensor.size(1);
}

void check_cuda_block_scale(const Argument& scale, const Tensor& x, ScalarType dtype,
                            std::int64_t block, kernels::CudaWeight& weight) {
  if (weight.k % block != 0) {
    fail(scale.operation, "the weight's columns are no multiple of the block",
         std::to_string(weight.k), concat({"a multiple of ", std::to_string(block)}));
  }
  weight.scale = check_cuda_scale(scale, x, dtype, {weight.n, weight.k / block});
  weight.scale_dtype = to_dtype(dtype);
  weight.group_cols = block;
}

kernels::CudaWeight check_cuda_int4_weight(const char* operation, const Tensor& x,
                                           const Tensor& weight, const Tensor& weight_scale,
                                           const std::optional<Tensor>& weight_zero_point,
                                           const std::optional<Tensor>& weight_zero) {
  kernels::CudaWeight result = check_cuda_weight(
      {operation, "weight", weight}, x, kernels::CudaWeightFormat::kInt4, ScalarType::Byte, 2);
  const Argument scale{operation, "weight_scale", weight_scale};
  result.group_cols = check_cuda_group(scale, result);
  if (result.group_cols % 2 != 0) {
    fail(operation, "weight_scale implies an odd group", std::to_string(result.group_cols),
         "an even number of columns a group");
  }
  check_dtype(scale, {ScalarType::Float, ScalarType::BFloat16});
  const ScalarType scale_dtype = weight_scale.scalar_type();
  const std::int64_t groups = result.k / result.group_cols;
  result.scale = check_cuda_scale(scale, x, scale_dtype, {result.n, groups});
  result.scale_dtype = to_dtype(scale_dtype);
  if (weight_zero_point && weight_zero) {
    fail(operation, "weight_zero_point and weight_zero exclude each other", "both", "one or none");
  }
  if (weight_zero_point) {
    result.zero_point = static_cast<const std::int8_t*>(
        check_cuda_scale({operation, "weight_zero_point", *weight_zero_point}, x, ScalarType::Char,
                         {result.n, groups}));
  }
  if (weight_zero) {
    result.zero = check_cuda_scale({operation, "weight_zero", *weight_zero}, x, scale_dtype,
                                   {result.n, groups});
  }
  return result;
}

void run_cuda_linear(const char* operation, const Tensor& x, const kernels::CudaWeight& weight,
                     const std::optional<Tensor>& bias, const Tensor& out) {
  const Tensor rows = check_operands(operation, x, weight, bias);
  check_out(operation, x, weight.n, out);
  const Launch launch(x);
  kernels::CudaLinearArgs args = arguments(rows, weight, bias);
  args.out = out.mutable_data_ptr();
  args.stream = launch.stream;
  const LaunchMemory workspace(launch, kernels::linear_cuda_workspace(args));
  args.workspace = workspace.data();
  check_launch(operation, kernels::linear_cuda(args));
}

Tensor cuda_linear(const char* operation, const Tensor& x, const kernels::CudaWeight& weight,
                   const std::optional<Tensor>& bias) {
  check_activation(operation, x, weight.k);
  const std::vector<std::int64_t> shape = output_shape(x, weight.n);
  const Tensor out = empty_cuda(x, Shape(shape.data(), shape.size()), x.scalar_type());
  run_cuda_linear(operation, x, weight, bias, out);
  return out;
}

std::string cuda_linear_implementation(const char* operation, const Tensor& x,
                                       const kernels::CudaWeight& weight,
                                       const std::optional<Tensor>& bias) {
  const Tensor rows = check_operands(operation, x, weight, bias);
  const Launch launch(x);
  return kernels::choose_linear_cuda(arguments(rows, weight, bias));
}

}  // namespace lowp::ops
