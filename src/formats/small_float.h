// Magnitudes of floating-point formats with fewer exponent bits than fp32. Both directions work on
// codes without their sign; the formats' own headers add sign, saturation, NaN.
#pragma once

#include <cstdint>

#include "formats/float_bits.h"

namespace lowp {

// `magnitude`: bits of |x|, at most the format's largest finite number (larger ones carry on into
// the codes above it, which is how IEEE formats overflow to Inf). RNE, subnormals included.
template <int kMantissaBits, int kBias>
LOWP_HD constexpr std::uint32_t encode_magnitude(std::uint32_t magnitude) {
  constexpr int kShift = 23 - kMantissaBits;
  constexpr std::uint32_t kSmallestNormal = static_cast<std::uint32_t>(128 - kBias) << 23;
  if (magnitude < kSmallestNormal) {
    // One unit of the sum's last place is one of the format's smallest subnormals.
    constexpr float kAligner = power_of_two(1 - kBias - kMantissaBits + 23);
    return to_bits(add(from_bits(magnitude), kAligner)) - to_bits(kAligner);
  }
  return shift_right_even(magnitude, kShift) -
         (static_cast<std::uint32_t>(127 - kBias) << kMantissaBits);
}

// The value of a code without its sign; every exponent field is taken as a number's.
template <int kMantissaBits, int kBias>
LOWP_HD constexpr float decode_magnitude(std::uint32_t code) {
  constexpr std::uint32_t kRebias = static_cast<std::uint32_t>(127 - kBias) << 23;
  const std::uint32_t bits = code << (23 - kMantissaBits);
  if (code < (1U << kMantissaBits)) {
    // 2^(1 - bias) * (1 + fraction) minus the implicit one: needs no fp32 subnormal.
    constexpr std::uint32_t kImplicitOne = kRebias + (1U << 23);
    return from_bits(bits + kImplicitOne) - from_bits(kImplicitOne);
  }
  return from_bits(bits + kRebias);
}

// As encode_magnitude, but up with the probability of the dropped fraction: `uniform` in [0, 1).
// The caller clamps to the largest number first.
template <int kMantissaBits, int kBias>
LOWP_HD constexpr std::uint32_t encode_magnitude_stochastic(std::uint32_t magnitude,
                                                            float uniform) {
  constexpr int kSmallestExponent = 1 - kBias;
  int exponent = static_cast<int>(magnitude >> 23) - 127;
  if (exponent < kSmallestExponent) exponent = kSmallestExponent;
  // In units of the last place: exact, below 2^(mantissa bits + 1).
  const float units = multiply(from_bits(magnitude), power_of_two(kMantissaBits - exponent));
  const float whole = round_down(units);
  const std::uint32_t up = add(units, -whole) > uniform ? 1 : 0;
  // Counted from the subnormals' exponent, so a carry into the next binade is just the next code.
  return (static_cast<std::uint32_t>(exponent - kSmallestExponent) << kMantissaBits) +
         static_cast<std::uint32_t>(whole) + up;
}

}  // namespace lowp
