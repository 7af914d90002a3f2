// The checks that every operator makes before a kernel sees an argument. Each throws lowp::Error
// `[operation] problem, got ..., expected ...`.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "formats/dtype.h"
#include "kernels/runtime/matrix.h"

namespace lowp::ops {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using Shape = torch::headeronly::IntHeaderOnlyArrayRef;

// A named argument of an operator: what a message needs to say which tensor is wrong.
struct Argument {
  const char* operation;  // "lowp::linear_w8a16"
  const char* name;       // "weight_scale"
  const Tensor& tensor;
};

[[noreturn]] void fail(const char* operation, std::string_view problem, std::string_view got,
                       std::string_view expected);

std::string concat(std::initializer_list<std::string_view> parts);
std::string to_string(Shape shape);  // "(2, 3)"
const char* name(ScalarType dtype);  // "bfloat16"
DType to_dtype(ScalarType dtype);    // of the dtypes that operators accept

void check_dtype(const Argument& argument, std::initializer_list<ScalarType> expected);
void check_shape(const Argument& argument, std::initializer_list<std::int64_t> expected);

// A dense operand: on the CPU, contiguous, with this dtype and shape.
void check_dense(const Argument& argument, ScalarType dtype,
                 std::initializer_list<std::int64_t> shape);
// The same, of a weight or one of its parameters: with (experts) before the shape unless that is 0.
void check_dense(const Argument& argument, ScalarType dtype, std::int64_t experts,
                 std::initializer_list<std::int64_t> shape);

// float32, float16 or bfloat16, (rows, cols), on the CPU, columns side by side; rows may be
// strided.
kernels::Matrix check_matrix(const Argument& argument);
kernels::MutableMatrix check_output_matrix(const Argument& argument, std::int64_t rows,
                                           std::int64_t cols);

// `block`, two sizes of which -1 means the whole dimension, on a (rows, cols) matrix.
kernels::Block check_block(const char* operation, Shape block, std::int64_t rows,
                           std::int64_t cols);
// The same for formats whose blocks must divide the matrix.
kernels::Block check_dividing_block(const char* operation, Shape block, std::int64_t rows,
                                    std::int64_t cols);

// "symmetric" and so on; `expected` lists what the operation takes.
template <class Value>
struct Choice {
  std::string_view name;
  Value value;
};

template <class Value>
Value check_choice(const char* operation, const char* argument, std::string_view got,
                   std::initializer_list<Choice<Value>> expected) {
  std::string names;
  for (const auto& choice : expected) {
    if (choice.name == got) return choice.value;
    names.append(names.empty() ? "" : ", ").append(choice.name);
  }
  fail(operation, concat({argument, " is not known"}), concat({"'", got, "'"}),
       concat({"one of ", names}));
}

// The scale's dtype as an argument: float32 if absent, else float32, bfloat16 or float16.
DType check_scale_dtype(const char* operation, std::optional<ScalarType> dtype);

// The stored data as what a kernel calls it.
template <class T>
const T* data(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}
template <class T>
T* mutable_data(const Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

constexpr std::int64_t ceil_div(std::int64_t value, std::int64_t divisor) {
  return (value + divisor - 1) / divisor;
}

Tensor empty(std::initializer_list<std::int64_t> shape, ScalarType dtype);

}  // namespace lowp::ops
