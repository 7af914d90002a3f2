// Activation functions on a vector of fp32 lanes; NaN stays. A file of one ISA level includes its
// vectors first (linear_common/avx512_vector_inl.h, avx2_vector_inl.h); internal linkage.
#pragma once

#include "kernels/runtime/activation.h"
#include "kernels/runtime/exp_inl.h"

namespace lowp::kernels {
namespace {

inline Floats relu_lanes(Floats x) { return max(broadcast(0.0F), x); }

// x sigmoid(slope)
inline Floats gated_lanes(Floats x, Floats slope) {
  const Floats one = broadcast(1.0F);
  return divide(x, add(one, exp_lanes(subtract(broadcast(0.0F), slope))));
}

inline Floats silu_lanes(Floats x) { return gated_lanes(x, x); }

inline Floats gelu_tanh_lanes(Floats x) {
  const Floats square = multiply(x, x);
  const Floats cubic = multiply_add(square, broadcast(kGeluCubic), broadcast(1.0F));
  return gated_lanes(x, multiply(multiply(x, cubic), broadcast(kGeluSlope)));
}

// max(x, 0) - |x| / 2 erfc(|x| / sqrt(2)), within 4e-7 |x|; erfc as Abramowitz and Stegun 7.1.26.
inline Floats gelu_lanes(Floats x) {
  const Floats one = broadcast(1.0F);
  const Floats zero = broadcast(0.0F);
  // Beyond 20 the second term is 0: Inf times 0 is not formed.
  const Floats size = min(broadcast(20.0F), max(subtract(zero, x), x));
  const Floats z = multiply(size, broadcast(0.70710678F));
  const Floats t = divide(one, multiply_add(z, broadcast(0.3275911F), one));
  Floats p = broadcast(1.061405429F);
  p = multiply_add(p, t, broadcast(-1.453152027F));
  p = multiply_add(p, t, broadcast(1.421413741F));
  p = multiply_add(p, t, broadcast(-0.284496736F));
  p = multiply_add(p, t, broadcast(0.254829592F));
  const Floats erfc = multiply(multiply(p, t), exp_lanes(subtract(zero, multiply(z, z))));
  return subtract(max(zero, x), multiply(multiply(size, broadcast(0.5F)), erfc));
}

// Not inlined: it stands behind a product, and few calls use it.
[[gnu::noinline, maybe_unused]] Floats activate_lanes(Activation activation, Floats x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return relu_lanes(x);
    case Activation::kGelu:
      return gelu_lanes(x);
    case Activation::kGeluTanh:
      return gelu_tanh_lanes(x);
    case Activation::kSilu:
      return silu_lanes(x);
  }
  return x;
}

}  // namespace
}  // namespace lowp::kernels
