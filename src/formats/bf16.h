// bfloat16: the upper half of an fp32 number.
#pragma once

#include <cstdint>

#include "formats/float_bits.h"

namespace lowp {

struct Bf16 {
  static constexpr float kMax = from_bits(0x7F7F0000);
  static constexpr float kSmallestNormal = Fp32::kSmallestNormal;

  LOWP_HD static constexpr float to_float(std::uint16_t code) {
    return from_bits(static_cast<std::uint32_t>(code) << 16);
  }

  // RNE; beyond the largest number to Inf. A NaN keeps its sign and upper payload and becomes
  // quiet, as vcvtneps2bf16 has it.
  LOWP_HD static constexpr std::uint16_t from_float(float x) {
    const std::uint32_t bits = to_bits(x);
    if (is_nan(x)) return static_cast<std::uint16_t>((bits >> 16) | 0x0040U);
    return static_cast<std::uint16_t>(shift_right_even(bits, 16));
  }

  LOWP_HD static constexpr float round(float x) { return to_float(from_float(x)); }

  // Away from zero with probability (low 16 bits of x) / 2^16; NaN and Inf as from_float.
  LOWP_HD static constexpr std::uint16_t from_float_stochastic(float x, std::uint16_t random) {
    const std::uint32_t bits = to_bits(x);
    if ((bits & kInfBits) == kInfBits) return from_float(x);
    return static_cast<std::uint16_t>((bits + random) >> 16);
  }
};

}  // namespace lowp
