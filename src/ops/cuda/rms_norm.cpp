// lowp::rms_norm and lowp::add_rms_norm on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/rms_norm/cuda.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {
namespace {

// `residual` is nullptr for the plain norm.
void run(const char* operation, const Tensor& x, const Tensor* residual, const Tensor& weight,
         double eps, double weight_offset, const Tensor& out) {
  const kernels::Matrix matrix = check_cuda_floats({operation, "x", x}, x);
  if (matrix.cols > kernels::kLargestNormCuda) {
    fail(operation, "x has too many columns for the GPU", std::to_string(matrix.cols),
         concat({"at most ", std::to_string(kernels::kLargestNormCuda)}));
  }
  const Argument factor{operation, "weight", weight};
  check_same_device(factor, x);
  check_dtype(factor, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
  check_cuda_dense(factor, weight.scalar_type(), {matrix.cols});
  const kernels::RmsNormArgs args{
      .x = matrix,
      .residual = residual == nullptr ? kernels::MutableMatrix{}
                                      : check_cuda_output({operation, "residual", *residual}, x,
                                                          matrix.rows, matrix.cols),
      .weight = {weight.const_data_ptr(), to_dtype(weight.scalar_type()), 1, matrix.cols,
                 matrix.cols},
      .epsilon = static_cast<float>(eps),
      .weight_offset = static_cast<float>(weight_offset),
      .out = check_cuda_output({operation, "out", out}, x, matrix.rows, matrix.cols),
      .parallel = nullptr,
  };
  const Launch launch(x);
  check_launch(operation, kernels::rms_norm_cuda(args, launch.stream));
}

void rms_norm_out(const Tensor& x, const Tensor& weight, double eps, double weight_offset,
                  const Tensor& out) {
  run("lowp::rms_norm", x, nullptr, weight, eps, weight_offset, out);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, double weight_offset) {
  const kernels::Matrix matrix = check_cuda_floats({"lowp::rms_norm", "x", x}, x);
  const Tensor out = empty_cuda(x, {matrix.rows, matrix.cols}, x.scalar_type());
  rms_norm_out(x, weight, eps, weight_offset, out);
  return out;
}

void add_rms_norm_out(const Tensor& residual, const Tensor& x, const Tensor& weight, double eps,
                      double weight_offset, const Tensor& out) {
  run("lowp::add_rms_norm", x, &residual, weight, eps, weight_offset, out);
}

Tensor add_rms_norm(const Tensor& residual, const Tensor& x, const Tensor& weight, double eps,
                    double weight_offset) {
  const kernels::Matrix matrix = check_cuda_floats({"lowp::add_rms_norm", "x", x}, x);
  const Tensor out = empty_cuda(x, {matrix.rows, matrix.cols}, x.scalar_type());
  add_rms_norm_out(residual, x, weight, eps, weight_offset, out);
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("rms_norm", TORCH_BOX(&rms_norm));
  library.impl("rms_norm.out", TORCH_BOX(&rms_norm_out));
  library.impl("add_rms_norm", TORCH_BOX(&add_rms_norm));
  library.impl("add_rms_norm.out", TORCH_BOX(&add_rms_norm_out));
}

}  // namespace lowp::ops
