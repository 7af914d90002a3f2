// E4M3FN of OCP FP8: 1 sign, 4 exponent, 3 mantissa bits, bias 7; no Inf, NaN is 0x7F and 0xFF.
#pragma once

#include <cstdint>

#include "formats/small_float.h"

namespace lowp {

struct E4m3 {
  static constexpr int kBits = 8;
  static constexpr int kMantissaBits = 3;
  static constexpr int kBias = 7;
  static constexpr int kEmax = 8;
  static constexpr float kMax = 448.0F;
  static constexpr std::uint8_t kMaxCode = 0x7E;
  static constexpr std::uint8_t kNaNCode = 0x7F;
  static constexpr std::uint32_t kMaxMantissa = 0x600000;  // fp32 mantissa field of kMax

  LOWP_HD static constexpr float to_float(std::uint8_t code) {
    const std::uint32_t sign = static_cast<std::uint32_t>(code & 0x80U) << 24;
    const std::uint32_t magnitude = code & 0x7FU;
    if (magnitude == kNaNCode) return from_bits(sign | 0x7FC00000U);
    return from_bits(sign | to_bits(decode_magnitude<kMantissaBits, kBias>(magnitude)));
  }

  // Clamped to the finite range, then RNE; NaN keeps its sign.
  LOWP_HD static constexpr std::uint8_t from_float(float x) {
    const std::uint32_t sign = (to_bits(x) >> 24) & 0x80U;
    const std::uint32_t magnitude = abs_bits(x);
    if (magnitude > kInfBits) return static_cast<std::uint8_t>(sign | kNaNCode);
    if (magnitude >= to_bits(kMax)) return static_cast<std::uint8_t>(sign | kMaxCode);
    return static_cast<std::uint8_t>(sign | encode_magnitude<kMantissaBits, kBias>(magnitude));
  }
};

}  // namespace lowp
