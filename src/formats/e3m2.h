// FP6 E3M2 of OCP MX: 1 sign, 3 exponent, 2 mantissa bits, bias 3; one code in a byte's low six
// bits.
#pragma once

#include <cstdint>

#include "formats/small_float.h"

namespace lowp {

struct E3m2 {
  static constexpr int kBits = 6;
  static constexpr int kMantissaBits = 2;
  static constexpr int kBias = 3;
  static constexpr int kEmax = 4;
  static constexpr float kMax = 28.0F;
  static constexpr std::uint8_t kMaxCode = 0x1F;
  static constexpr std::uint8_t kSignCode = 0x20;
  static constexpr std::uint32_t kMaxMantissa = 0x600000;  // fp32 mantissa field of kMax

  // Bits above the code's are ignored.
  LOWP_HD static constexpr float to_float(std::uint8_t code) {
    const std::uint32_t sign = (code & kSignCode) != 0 ? kSignBit : 0U;
    return from_bits(sign | to_bits(decode_magnitude<kMantissaBits, kBias>(code & kMaxCode)));
  }

  // RNE, saturating, Inf too; the sign of zero is kept. There is no NaN code: NaN becomes +max.
  LOWP_HD static constexpr std::uint8_t from_float(float x) {
    if (is_nan(x)) return kMaxCode;
    const std::uint32_t sign = (to_bits(x) & kSignBit) != 0 ? kSignCode : 0U;
    const std::uint32_t magnitude = abs_bits(x);
    if (magnitude >= to_bits(kMax)) return static_cast<std::uint8_t>(sign | kMaxCode);
    return static_cast<std::uint8_t>(sign | encode_magnitude<kMantissaBits, kBias>(magnitude));
  }
};

}  // namespace lowp
