#pragma once

#include <cstdint>
#include <span>

#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// kSilu      x sigmoid(x)
// kGeluTanh  x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is torch's gelu "tanh"
enum class GateActivation : std::uint8_t { kSilu, kGeluTanh };

// out = activation(gate) * up, in fp32, rounded once: the middle of SwiGLU and GeGLU (arXiv
// 2002.05202).
struct GatedActivationArgs {
  Matrix gate;        // (M, N)
  Matrix up;          // (M, N)
  MutableMatrix out;  // (M, N)
  GateActivation activation;
  const ParallelFor* parallel;
};

void gated_activation(const GatedActivationArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<GatedActivationArgs>> gated_activation_implementations();

}  // namespace lowp::kernels
