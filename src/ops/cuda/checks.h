// Checks of CUDA operands, beside those of ops/checks.h that look at dtype and shape alone, and the
// stream that a kernel goes to.
#pragma once

#include <torch/csrc/stable/accelerator.h>

#include "ops/checks.h"

namespace lowp::ops {

// On the GPU, and on that of `x` if one is given.
void check_cuda(const Argument& argument);
void check_same_device(const Argument& argument, const Tensor& x);

// A dense operand: on the GPU, contiguous, with this dtype and shape.
void check_cuda_dense(const Argument& argument, ScalarType dtype,
                      std::initializer_list<std::int64_t> shape);

// (rows, cols) on the GPU, of one of these dtypes, columns side by side; rows may be strided.
kernels::Matrix check_cuda_matrix(const Argument& argument,
                                  std::initializer_list<ScalarType> dtypes);

// (rows, cols) of one of the floating-point dtypes, on the GPU of `x`; rows may be strided.
kernels::Matrix check_cuda_floats(const Argument& argument, const Tensor& x);
kernels::MutableMatrix check_cuda_output(const Argument& argument, const Tensor& x,
                                         std::int64_t rows, std::int64_t cols);

// A few numbers on the GPU that a kernel reads when it runs: int64 (count), or nullptr if absent.
const std::int64_t* check_cuda_numbers(const char* operation, const char* name,
                                       const std::optional<Tensor>& numbers, const Tensor& x,
                                       std::int64_t count);

// On the GPU of `like`, contiguous.
Tensor empty_cuda(const Tensor& like, Shape shape, ScalarType dtype);
Tensor empty_cuda(const Tensor& like, std::initializer_list<std::int64_t> shape, ScalarType dtype);

// While it lives, the device of `x` is the current one; `stream` is torch's current stream there.
struct Launch {
  explicit Launch(const Tensor& x);
  torch::stable::accelerator::DeviceGuard guard;
  void* stream;  // cudaStream_t
};

// Memory for the kernels of a launch; nullptr for no bytes. When it goes, the stream's next user
// gets it, behind them. A tensor of it would take the host a microsecond more.
class LaunchMemory {
 public:
  LaunchMemory(const Launch& launch, std::int64_t bytes);
  ~LaunchMemory();
  LaunchMemory(const LaunchMemory&) = delete;
  LaunchMemory& operator=(const LaunchMemory&) = delete;

  // Aligned to 512 bytes.
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_ = nullptr;
};

// A kernel's error text, nullptr for none.
void check_launch(const char* operation, const char* error);

}  // namespace lowp::ops
