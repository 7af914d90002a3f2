#include "ops/linear.h"

#include <algorithm>
#include <functional>
#include <new>
#include <numeric>
#include <vector>

namespace lowp::ops {
namespace {

constexpr std::size_t kAlignment = 64;

std::int64_t rows_of(Shape sizes) {
  return std::accumulate(sizes.begin(), sizes.end() - 1, std::int64_t{1}, std::multiplies<>());
}

void check_float(const Argument& argument, bool int8_too) {
  if (int8_too && argument.tensor.scalar_type() == ScalarType::Char) return;
  check_dtype(argument, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
}

void check_activation(const Argument& x, bool int8_too) {
  if (!x.tensor.is_cpu()) {
    fail(x.operation, "x is not on the CPU", "a tensor elsewhere", "a CPU tensor");
  }
  check_float(x, int8_too);
  if (x.tensor.dim() == 0) fail(x.operation, "x has no dimensions", "a scalar", "(*, K)");
}

// A matrix keeps its row stride; anything else is copied unless it is contiguous.
bool has_even_rows(const Tensor& x) {
  const bool codes = x.scalar_type() == ScalarType::Char;
  return x.is_contiguous() || (x.dim() == 2 && x.stride(1) == 1 && !codes);
}

}  // namespace

LinearOperands check_linear(const char* operation, const Tensor& x, std::int64_t n, std::int64_t k,
                            const std::optional<Tensor>& bias, const Tensor& out,
                            std::int64_t experts, bool int8_too) {
  check_activation({operation, "x", x}, int8_too);
  const Shape sizes = x.sizes();
  if (sizes.back() != k) {
    fail(operation, "x does not fit the weight", to_string(sizes),
         concat({"a last dimension of ", std::to_string(k)}));
  }
  const std::int64_t m = rows_of(sizes);
  LinearOperands operands{};
  operands.operation = operation;
  operands.experts = experts;
  operands.x_owner = has_even_rows(x) ? x : torch::stable::contiguous(x);
  const Tensor& even = operands.x_owner;
  const std::int64_t x_stride = even.is_contiguous() ? k : even.stride(0);
  operands.x = {even.const_data_ptr(), to_dtype(even.scalar_type()), m, k, x_stride};

  if (bias) {
    const Argument argument{operation, "bias", *bias};
    check_dtype(argument, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
    check_dense(argument, bias->scalar_type(), experts, {n});
    operands.bias_owner = bias->scalar_type() == ScalarType::Float
                              ? *bias
                              : torch::stable::to(*bias, ScalarType::Float);
    operands.bias = data<float>(*operands.bias_owner);
  }

  const Argument result{operation, "out", out};
  check_float(result, int8_too);
  std::vector<std::int64_t> expected(sizes.begin(), sizes.end());
  expected.back() = n;
  if (!out.is_cpu() || !out.is_contiguous() ||
      !std::equal(expected.begin(), expected.end(), out.sizes().begin(), out.sizes().end())) {
    fail(operation, "out does not fit x and the weight",
         concat({to_string(out.sizes()), " with strides ", to_string(out.strides())}),
         concat(
             {"a contiguous CPU tensor of ", to_string(Shape(expected.data(), expected.size()))}));
  }
  operands.out = {out.mutable_data_ptr(), to_dtype(out.scalar_type()), m, n, n};
  return operands;
}

WeightShape check_weight(const Argument& weight, ScalarType dtype, std::int64_t values_a_byte) {
  const Tensor& tensor = weight.tensor;
  if (tensor.dim() != 2 || tensor.size(1) == 0) {
    fail(weight.operation, concat({weight.name, " is not a matrix with columns"}),
         to_string(tensor.sizes()), "two dimensions");
  }
  check_dense(weight, dtype, {tensor.size(0), tensor.size(1)});
  return {tensor.size(0), tensor.size(1) * values_a_byte};
}

std::int64_t check_group_size(const Argument& scale, WeightShape weight, std::int64_t experts) {
  const Shape got = scale.tensor.sizes();
  const std::size_t leading = experts == 0 ? 0 : 1;
  const bool fits = got.size() == leading + 2 && (leading == 0 || got[0] == experts) &&
                    got[leading] == weight.n && got.back() > 0 && weight.k % got.back() == 0;
  if (!fits) {
    fail(scale.operation, concat({scale.name, " has the wrong shape"}), to_string(got),
         concat({"(", leading == 0 ? "" : std::to_string(experts) + ", ", std::to_string(weight.n),
                 ", groups), groups a divisor of ", std::to_string(weight.k)}));
  }
  return weight.k / got.back();
}

Int4Weight check_int4_weight(const char* operation, const Tensor& weight_scale,
                             const std::optional<Tensor>& weight_zero_point,
                             const std::optional<Tensor>& weight_zero, WeightShape weight,
                             std::int64_t experts) {
  const Argument scale{operation, "weight_scale", weight_scale};
  const std::int64_t group_size = check_group_size(scale, weight, experts);
  if (group_size % 2 != 0) {
    fail(operation, "weight_scale implies an odd group", std::to_string(group_size),
         "an even number of columns a group");
  }
  check_dtype(scale, {ScalarType::Float, ScalarType::BFloat16});
  const ScalarType dtype = weight_scale.scalar_type();
  const std::int64_t groups = weight.k / group_size;
  check_dense(scale, dtype, experts, {weight.n, groups});
  if (weight_zero_point && weight_zero) {
    fail(operation, "weight_zero_point and weight_zero exclude each other", "both", "one or none");
  }
  if (weight_zero_point) {
    check_dense({operation, "weight_zero_point", *weight_zero_point}, ScalarType::Char, experts,
                {weight.n, groups});
  }
  if (weight_zero) {
    check_dense({operation, "weight_zero", *weight_zero}, dtype, experts, {weight.n, groups});
  }
  return {
      .scale = weight_scale.const_data_ptr(),
      .zero_point = weight_zero_point ? data<std::int8_t>(*weight_zero_point) : nullptr,
      .zero = weight_zero ? weight_zero->const_data_ptr() : nullptr,
      .scale_dtype = to_dtype(dtype),
      .group_size = group_size,
  };
}

void check_block_scale(const Argument& scale, ScalarType dtype, WeightShape weight,
                       std::int64_t block, std::int64_t experts) {
  if (weight.k % block != 0) {
    fail(scale.operation, "the weight's columns are no multiple of the block",
         std::to_string(weight.k), concat({"a multiple of ", std::to_string(block)}));
  }
  check_dense(scale, dtype, experts, {weight.n, weight.k / block});
}

kernels::Block check_fp8_weight_scale(const Argument& scale, Shape block, WeightShape weight,
                                      std::int64_t experts) {
  const bool known = block.size() == 2 &&
                     ((block[0] == -1 && block[1] == -1) || (block[0] == 1 && block[1] == -1) ||
                      (block[0] == 128 && block[1] == 128));
  if (!known) {
    fail(scale.operation, "weight_block is not known", to_string(block),
         "(-1, -1), (1, -1) or (128, 128)");
  }
  const kernels::Block sizes = check_block(scale.operation, block, weight.n, weight.k);
  check_dense(scale, ScalarType::Float, experts,
              {ceil_div(weight.n, sizes.rows), ceil_div(weight.k, sizes.cols)});
  return sizes;
}

Workspace::Workspace(std::int64_t bytes)
    : memory_(static_cast<std::byte*>(
          ::operator new (static_cast<std::size_t>(bytes), std::align_val_t{kAlignment}))) {}

void Workspace::Free::operator()(std::byte* memory) const {
  ::operator delete (memory, std::align_val_t{kAlignment});
}

void define_linear(torch::stable::detail::StableLibrary& library, const char* name,
                   const char* arguments) {
  library.def(concat({name, "(", arguments, ") -> Tensor"}).c_str());
  library.def(concat({name, ".out(", arguments, ", *, Tensor(a!) out) -> ()"}).c_str());
  library.def(concat({name, ".implementation(", arguments, ") -> str"}).c_str());
}

Tensor empty_output(const char* operation, const Tensor& x, std::int64_t n,
                    std::optional<ScalarType> dtype) {
  check_activation({operation, "x", x}, dtype.has_value());
  const Shape sizes = x.sizes();
  std::vector<std::int64_t> shape(sizes.begin(), sizes.end());
  shape.back() = n;
  return torch::stable::new_empty(x, Shape(shape.data(), shape.size()), dtype);
}

}  // namespace lowp::ops
