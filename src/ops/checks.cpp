#include "ops/checks.h"

#include <algorithm>
#include <vector>

#include "lowp/error.h"

namespace lowp::ops {
namespace {

struct DTypeName {
  ScalarType torch;
  DType lowp;
  const char* name;
};

constexpr DTypeName kNames[] = {
    {ScalarType::Byte, DType::kU8, "uint8"},
    {ScalarType::Char, DType::kI8, "int8"},
    {ScalarType::Short, DType::kI16, "int16"},
    {ScalarType::Int, DType::kI32, "int32"},
    {ScalarType::Long, DType::kI64, "int64"},
    {ScalarType::Bool, DType::kBool, "bool"},
    {ScalarType::Half, DType::kF16, "float16"},
    {ScalarType::BFloat16, DType::kBF16, "bfloat16"},
    {ScalarType::Float, DType::kF32, "float32"},
    {ScalarType::Double, DType::kF64, "float64"},
    {ScalarType::Float8_e4m3fn, DType::kF8E4M3, "float8_e4m3fn"},
    {ScalarType::Float8_e5m2, DType::kF8E5M2, "float8_e5m2"},
    {ScalarType::Float8_e8m0fnu, DType::kF8E8M0, "float8_e8m0fnu"},
};

const DTypeName* find(ScalarType dtype) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const DTypeName& entry) { return entry.torch == dtype; });
  return found == std::end(kNames) ? nullptr : found;
}

[[noreturn]] void fail(const Argument& argument, std::string_view problem, std::string_view got,
                       std::string_view expected) {
  ops::fail(argument.operation, concat({argument.name, problem}), got, expected);
}

void check_cpu(const Argument& argument) {
  if (argument.tensor.is_cpu()) return;
  fail(argument, " is not on the CPU",
       argument.tensor.is_cuda() ? "a CUDA tensor" : "a tensor elsewhere",
       "a CPU tensor, as the other arguments are");
}

void check_sizes(const Argument& argument, Shape expected) {
  const Shape got = argument.tensor.sizes();
  if (std::equal(got.begin(), got.end(), expected.begin(), expected.end())) return;
  fail(argument, " has the wrong shape", to_string(got), to_string(expected));
}

void check_dense_sizes(const Argument& argument, ScalarType dtype, Shape shape) {
  check_cpu(argument);
  check_dtype(argument, {dtype});
  check_sizes(argument, shape);
  if (!argument.tensor.is_contiguous()) {
    fail(argument, " is not contiguous", concat({"strides ", to_string(argument.tensor.strides())}),
         "a contiguous tensor");
  }
}

// Checks everything but the shape's extent; returns the distance between rows.
std::int64_t check_rows(const Argument& argument) {
  const Tensor& tensor = argument.tensor;
  check_cpu(argument);
  check_dtype(argument, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
  if (tensor.dim() != 2) {
    fail(argument, " is not a matrix", to_string(tensor.sizes()), "two dimensions");
  }
  if (tensor.size(1) > 1 && tensor.stride(1) != 1) {
    fail(argument, " has strided columns", concat({"strides ", to_string(tensor.strides())}),
         "a last stride of 1: call contiguous() first");
  }
  return tensor.size(0) > 1 ? tensor.stride(0) : tensor.size(1);
}

std::int64_t block_extent(std::int64_t block, std::int64_t size) {
  return block == -1 ? std::max<std::int64_t>(size, 1) : block;
}

}  // namespace

void fail(const char* operation, std::string_view problem, std::string_view got,
          std::string_view expected) {
  throw Error(concat({"[", operation, "] ", problem, ", got ", got, ", expected ", expected}));
}

std::string concat(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text.append(part);
  return text;
}

std::string to_string(Shape shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text.append(i == 0 ? "" : ", ").append(std::to_string(shape[i]));
  }
  return text.append(shape.size() == 1 ? ",)" : ")");
}

const char* name(ScalarType dtype) {
  const DTypeName* found = find(dtype);
  return found == nullptr ? "another dtype" : found->name;
}

DType to_dtype(ScalarType dtype) {
  const DTypeName* found = find(dtype);
  if (found == nullptr) fail("lowp", "a dtype is not known", name(dtype), "a number format");
  return found->lowp;
}

void check_dtype(const Argument& argument, std::initializer_list<ScalarType> expected) {
  const ScalarType got = argument.tensor.scalar_type();
  if (std::find(expected.begin(), expected.end(), got) != expected.end()) return;
  std::string names;
  for (const ScalarType dtype : expected) {
    names.append(names.empty() ? "" : " or ").append(name(dtype));
  }
  fail(argument, " has the wrong dtype", name(got), names);
}

void check_shape(const Argument& argument, std::initializer_list<std::int64_t> expected) {
  check_sizes(argument, Shape(expected.begin(), expected.size()));
}

void check_dense(const Argument& argument, ScalarType dtype,
                 std::initializer_list<std::int64_t> shape) {
  check_dense_sizes(argument, dtype, Shape(shape.begin(), shape.size()));
}

void check_dense(const Argument& argument, ScalarType dtype, std::int64_t experts,
                 std::initializer_list<std::int64_t> shape) {
  if (experts == 0) return check_dense(argument, dtype, shape);
  std::vector<std::int64_t> sizes{experts};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  check_dense_sizes(argument, dtype, Shape(sizes.data(), sizes.size()));
}

kernels::Matrix check_matrix(const Argument& argument) {
  const std::int64_t stride = check_rows(argument);
  const Tensor& tensor = argument.tensor;
  return {tensor.const_data_ptr(), to_dtype(tensor.scalar_type()), tensor.size(0), tensor.size(1),
          stride};
}

kernels::MutableMatrix check_output_matrix(const Argument& argument, std::int64_t rows,
                                           std::int64_t cols) {
  const std::int64_t stride = check_rows(argument);
  check_shape(argument, {rows, cols});
  if (stride < cols) {
    fail(argument, " has rows that overlap",
         concat({"strides ", to_string(argument.tensor.strides())}), "rows of their own");
  }
  return {argument.tensor.mutable_data_ptr(), to_dtype(argument.tensor.scalar_type()), rows, cols,
          stride};
}

kernels::Block check_block(const char* operation, Shape block, std::int64_t rows,
                           std::int64_t cols) {
  if (block.size() != 2)
    fail(operation, "block has the wrong length", to_string(block), "two sizes");
  const kernels::Block result{block_extent(block[0], rows), block_extent(block[1], cols)};
  if (result.rows < 1 || result.cols < 1) {
    fail(operation, "block is not positive", to_string(block), "sizes of 1 or more, or -1");
  }
  return result;
}

kernels::Block check_dividing_block(const char* operation, Shape block, std::int64_t rows,
                                    std::int64_t cols) {
  const kernels::Block result = check_block(operation, block, rows, cols);
  if (rows % result.rows != 0 || cols % result.cols != 0) {
    const std::int64_t shape[] = {rows, cols};
    fail(operation, "block does not divide the matrix", to_string(block),
         concat({"a divisor of ", to_string(Shape(shape, 2))}));
  }
  return result;
}

DType check_scale_dtype(const char* operation, std::optional<ScalarType> dtype) {
  const ScalarType got = dtype.value_or(ScalarType::Float);
  if (got != ScalarType::Float && got != ScalarType::BFloat16 && got != ScalarType::Half) {
    fail(operation, "scale_dtype is not a scale's", name(got), "float32, bfloat16 or float16");
  }
  return to_dtype(got);
}

Tensor empty(std::initializer_list<std::int64_t> shape, ScalarType dtype) {
  return torch::stable::empty(Shape(shape.begin(), shape.size()), dtype);
}

}  // namespace lowp::ops
