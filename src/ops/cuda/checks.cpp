#include "ops/cuda/checks.h"

#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <algorithm>
#include <vector>

namespace lowp::ops {
namespace {

void* current_stream(const Tensor& x) {
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device_index(), &stream));
  return stream;
}

}  // namespace

void check_cuda(const Argument& argument) {
  if (argument.tensor.is_cuda()) return;
  fail(argument.operation, concat({argument.name, " is not on the GPU"}), "a tensor elsewhere",
       "a CUDA tensor, as x is");
}

void check_same_device(const Argument& argument, const Tensor& x) {
  check_cuda(argument);
  if (argument.tensor.get_device_index() == x.get_device_index()) return;
  fail(argument.operation, concat({argument.name, " is on another GPU"}),
       concat({"cuda:", std::to_string(argument.tensor.get_device_index())}),
       concat({"cuda:", std::to_string(x.get_device_index()), ", as x is"}));
}

void check_cuda_dense(const Argument& argument, ScalarType dtype,
                      std::initializer_list<std::int64_t> shape) {
  check_cuda(argument);
  check_dtype(argument, {dtype});
  check_shape(argument, shape);
  if (!argument.tensor.is_contiguous()) {
    fail(argument.operation, concat({argument.name, " is not contiguous"}),
         concat({"strides ", to_string(argument.tensor.strides())}), "a contiguous tensor");
  }
}

kernels::Matrix check_cuda_matrix(const Argument& argument,
                                  std::initializer_list<ScalarType> dtypes) {
  check_cuda(argument);
  check_dtype(argument, dtypes);
  const Tensor& tensor = argument.tensor;
  if (tensor.dim() != 2) {
    fail(argument.operation, concat({argument.name, " is not a matrix"}), to_string(tensor.sizes()),
         "two dimensions");
  }
  if (tensor.size(1) > 1 && tensor.stride(1) != 1) {
    fail(argument.operation, concat({argument.name, " has strided columns"}),
         concat({"strides ", to_string(tensor.strides())}),
         "a last stride of 1: call contiguous() first");
  }
  const std::int64_t stride = tensor.size(0) > 1 ? tensor.stride(0) : tensor.size(1);
  return {tensor.const_data_ptr(), to_dtype(tensor.scalar_type()), tensor.size(0), tensor.size(1),
          stride};
}

kernels::Matrix check_cuda_floats(const Argument& argument, const Tensor& x) {
  check_same_device(argument, x);
  return check_cuda_matrix(argument, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
}

kernels::MutableMatrix check_cuda_output(const Argument& argument, const Tensor& x,
                                         std::int64_t rows, std::int64_t cols) {
  const kernels::Matrix matrix = check_cuda_floats(argument, x);
  check_shape(argument, {rows, cols});
  return {argument.tensor.mutable_data_ptr(), matrix.dtype, rows, cols, matrix.stride};
}

const std::int64_t* check_cuda_numbers(const char* operation, const char* name,
                                       const std::optional<Tensor>& numbers, const Tensor& x,
                                       std::int64_t count) {
  if (!numbers) return nullptr;
  const Argument argument{operation, name, *numbers};
  check_same_device(argument, x);
  check_cuda_dense(argument, ScalarType::Long, {count});
  return data<std::int64_t>(*numbers);
}

// Through libtorch's C interface: half a microsecond, where new_empty finds its operator by name at
// every call and takes two.
Tensor empty_cuda(const Tensor& like, Shape shape, ScalarType dtype) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * std::max<std::int64_t>(shape[i], 1);
  }
  AtenTensorHandle handle = nullptr;
  const auto code = torch::stable::detail::to<std::int32_t>(torch::stable::detail::from(dtype));
  TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(
      static_cast<std::int64_t>(shape.size()), shape.data(), strides.data(), code,
      aoti_torch_device_type_cuda(), like.get_device_index(), &handle));
  return Tensor(handle);
}

Tensor empty_cuda(const Tensor& like, std::initializer_list<std::int64_t> shape, ScalarType dtype) {
  return empty_cuda(like, Shape(shape.begin(), shape.size()), dtype);
}

Launch::Launch(const Tensor& x) : guard(x.get_device_index()), stream(current_stream(x)) {}

LaunchMemory::LaunchMemory(const Launch&, std::int64_t bytes) {
  if (bytes == 0) return;
  TORCH_ERROR_CODE_CHECK(
      aoti_torch_cuda_caching_allocator_raw_alloc(static_cast<std::uint64_t>(bytes), &data_));
}

LaunchMemory::~LaunchMemory() {
  if (data_ != nullptr) aoti_torch_cuda_caching_allocator_raw_delete(data_);
}

void check_launch(const char* operation, const char* error) {
  if (error != nullptr) {
    fail(operation, "the kernel could not be launched", error, "a GPU that it was built for");
  }
}

}  // namespace lowp::ops
