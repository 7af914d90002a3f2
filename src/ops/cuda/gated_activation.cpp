// lowp::gated_activation on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/gated_activation/cuda.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::gated_activation";

void gated_activation_out(const Tensor& gate, const Tensor& up, std::string_view activation,
                          const Tensor& out) {
  const kernels::Matrix matrix = check_cuda_floats({kName, "gate", gate}, gate);
  check_shape({kName, "up", up}, {matrix.rows, matrix.cols});
  const kernels::GatedActivationArgs args{
      .gate = matrix,
      .up = check_cuda_floats({kName, "up", up}, gate),
      .out = check_cuda_output({kName, "out", out}, gate, matrix.rows, matrix.cols),
      .activation = check_choice<kernels::GateActivation>(
          kName, "activation", activation,
          {{"silu", kernels::GateActivation::kSilu},
           {"gelu_tanh", kernels::GateActivation::kGeluTanh}}),
      .parallel = nullptr,
  };
  const Launch launch(gate);
  check_launch(kName, kernels::gated_activation_cuda(args, launch.stream));
}

Tensor gated_activation(const Tensor& gate, const Tensor& up, std::string_view activation) {
  const kernels::Matrix matrix = check_cuda_floats({kName, "gate", gate}, gate);
  const Tensor out = empty_cuda(gate, {matrix.rows, matrix.cols}, gate.scalar_type());
  gated_activation_out(gate, up, activation, out);
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("gated_activation", TORCH_BOX(&gated_activation));
  library.impl("gated_activation.out", TORCH_BOX(&gated_activation_out));
}

}  // namespace lowp::ops
