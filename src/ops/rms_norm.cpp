#include "kernels/rms_norm/rms_norm.h"

#include <torch/csrc/stable/library.h>

#include "ops/checks.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

// `residual` is nullptr for the plain norm.
void run(const char* operation, const Tensor& x, const Tensor* residual, const Tensor& weight,
         double eps, double weight_offset, const Tensor& out) {
  const kernels::Matrix matrix = check_matrix({operation, "x", x});
  check_dtype({operation, "weight", weight},
              {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
  check_dense({operation, "weight", weight}, weight.scalar_type(), {matrix.cols});
  kernels::rms_norm({
      .x = matrix,
      .residual = residual == nullptr ? kernels::MutableMatrix{}
                                      : check_output_matrix({operation, "residual", *residual},
                                                            matrix.rows, matrix.cols),
      .weight = {weight.const_data_ptr(), to_dtype(weight.scalar_type()), 1, matrix.cols,
                 matrix.cols},
      .epsilon = static_cast<float>(eps),
      .weight_offset = static_cast<float>(weight_offset),
      .out = check_output_matrix({operation, "out", out}, matrix.rows, matrix.cols),
      .parallel = torch_pool(),
  });
}

void rms_norm_out(const Tensor& x, const Tensor& weight, double eps, double weight_offset,
                  const Tensor& out) {
  run("lowp::rms_norm", x, nullptr, weight, eps, weight_offset, out);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, double weight_offset) {
  const kernels::Matrix matrix = check_matrix({"lowp::rms_norm", "x", x});
  const Tensor out = empty({matrix.rows, matrix.cols}, x.scalar_type());
  rms_norm_out(x, weight, eps, weight_offset, out);
  return out;
}

void add_rms_norm_out(const Tensor& residual, const Tensor& x, const Tensor& weight, double eps,
                      double weight_offset, const Tensor& out) {
  run("lowp::add_rms_norm", x, &residual, weight, eps, weight_offset, out);
}

Tensor add_rms_norm(const Tensor& residual, const Tensor& x, const Tensor& weight, double eps,
                    double weight_offset) {
  const kernels::Matrix matrix = check_matrix({"lowp::add_rms_norm", "x", x});
  const Tensor out = empty({matrix.rows, matrix.cols}, x.scalar_type());
  add_rms_norm_out(residual, x, weight, eps, weight_offset, out);
  return out;
}

}  // namespace

// x (M, N); weight (N). Returns (M, N) of x's dtype. add_rms_norm adds x to the residual (M, N) in
// place and normalizes the sum.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def("rms_norm(Tensor x, Tensor weight, float eps, float weight_offset=0.0) -> Tensor");
  library.def(
      "rms_norm.out(Tensor x, Tensor weight, float eps, float weight_offset=0.0, *, Tensor(a!) "
      "out) -> ()");
  library.def(
      "add_rms_norm(Tensor(a!) residual, Tensor x, Tensor weight, float eps, float "
      "weight_offset=0.0) -> Tensor");
  library.def(
      "add_rms_norm.out(Tensor(a!) residual, Tensor x, Tensor weight, float eps, float "
      "weight_offset=0.0, *, Tensor(b!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("rms_norm", TORCH_BOX(&rms_norm));
  library.impl("rms_norm.out", TORCH_BOX(&rms_norm_out));
  library.impl("add_rms_norm", TORCH_BOX(&add_rms_norm));
  library.impl("add_rms_norm.out", TORCH_BOX(&add_rms_norm_out));
}

}  // namespace lowp::ops
