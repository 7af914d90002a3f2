// Integers of 1 to 8 bits: ranges, and rounding into them.
#pragma once

#include <cstdint>

#include "formats/float_bits.h"

namespace lowp {

struct IntRange {
  int min;
  int max;

  constexpr bool operator==(const IntRange&) const = default;
};

// Two's complement; one bit is {-1, 0}.
LOWP_HD constexpr IntRange signed_range(int bits) {
  return {-(1 << (bits - 1)), (1 << (bits - 1)) - 1};
}
LOWP_HD constexpr IntRange unsigned_range(int bits) { return {0, (1 << bits) - 1}; }

inline constexpr IntRange kInt8{-128, 127};
inline constexpr IntRange kInt4{-8, 7};
// Activations whose products must not overflow 16 bits, and codes without -128.
inline constexpr IntRange kInt8Reduced{-64, 63};
inline constexpr IntRange kInt8Symmetric{-127, 127};
// BitNet's weights, held in two bits.
inline constexpr IntRange kTernary{-1, 1};

// clamp(x) of an x that has been rounded; NaN gives `if_nan`.
LOWP_HD constexpr int clamp_to_int(float x, IntRange range, int if_nan = 0) {
  if (is_nan(x)) return if_nan;
  const auto low = static_cast<float>(range.min);
  const auto high = static_cast<float>(range.max);
  return static_cast<int>(x < low ? low : (x > high ? high : x));
}

// floor(x + uniform), uniform in [0, 1): up with the probability of the fraction.
LOWP_HD constexpr int round_stochastic(float x, float uniform, IntRange range) {
  return clamp_to_int(round_down(add(x, uniform)), range);
}

// The value of the low `bits` bits of `code` in two's complement.
LOWP_HD constexpr int sign_extend(unsigned code, int bits) {
  const int sign = 1 << (bits - 1);
  return (static_cast<int>(code & ((1U << bits) - 1U)) ^ sign) - sign;
}

}  // namespace lowp
