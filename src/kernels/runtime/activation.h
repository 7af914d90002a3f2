#pragma once

#include <cstdint>

namespace lowp::kernels {

// kGelu      x (1 + erf(x / sqrt(2))) / 2, torch's gelu "none"
// kGeluTanh  x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), torch's gelu "tanh"
// kSilu      x sigmoid(x)
enum class Activation : std::uint8_t { kNone, kRelu, kGelu, kGeluTanh, kSilu };

// 2 sqrt(2 / pi) and the cubic term's factor, of kGeluTanh.
inline constexpr float kGeluSlope = 1.5957691216057308F;
inline constexpr float kGeluCubic = 0.044715F;

// In double precision: for reference code.
double activate(Activation activation, double x);

}  // namespace lowp::kernels
