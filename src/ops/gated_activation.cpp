#include "kernels/gated_activation/gated_activation.h"

#include <torch/csrc/stable/library.h>

#include "ops/checks.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::gated_activation";

void gated_activation_out(const Tensor& gate, const Tensor& up, std::string_view activation,
                          const Tensor& out) {
  const kernels::Matrix matrix = check_matrix({kName, "gate", gate});
  check_shape({kName, "up", up}, {matrix.rows, matrix.cols});
  kernels::gated_activation({
      .gate = matrix,
      .up = check_matrix({kName, "up", up}),
      .out = check_output_matrix({kName, "out", out}, matrix.rows, matrix.cols),
      .activation = check_choice<kernels::GateActivation>(
          kName, "activation", activation,
          {{"silu", kernels::GateActivation::kSilu},
           {"gelu_tanh", kernels::GateActivation::kGeluTanh}}),
      .parallel = torch_pool(),
  });
}

Tensor gated_activation(const Tensor& gate, const Tensor& up, std::string_view activation) {
  const kernels::Matrix matrix = check_matrix({kName, "gate", gate});
  const Tensor out = empty({matrix.rows, matrix.cols}, gate.scalar_type());
  gated_activation_out(gate, up, activation, out);
  return out;
}

}  // namespace

// gate, up (M, N); activation "silu" or "gelu_tanh". Returns activation(gate) * up, (M, N) of
// gate's dtype.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def("gated_activation(Tensor gate, Tensor up, str activation='silu') -> Tensor");
  library.def(
      "gated_activation.out(Tensor gate, Tensor up, str activation='silu', *, Tensor(a!) out) -> "
      "()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("gated_activation", TORCH_BOX(&gated_activation));
  library.impl("gated_activation.out", TORCH_BOX(&gated_activation_out));
}

}  // namespace lowp::ops
