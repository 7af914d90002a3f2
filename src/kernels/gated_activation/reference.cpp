#include <cmath>

#include "kernels/gated_activation/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

float activate(GateActivation activation, float x) {
  const float slope =
      activation == GateActivation::kSilu ? x : kGeluSlope * (x + kGeluCubic * x * x * x);
  return x / (1.0F + std::exp(-slope));
}

}  // namespace

void gated_activation_reference(const GatedActivationArgs& args) {
  for (std::int64_t row = 0; row < args.gate.rows; ++row) {
    for (std::int64_t i = 0; i < args.gate.cols; ++i) {
      const float gate = activate(args.activation, load_element(args.gate, row, i));
      store_element(args.out, row, i, gate * load_element(args.up, row, i));
    }
  }
}

}  // namespace lowp::kernels
