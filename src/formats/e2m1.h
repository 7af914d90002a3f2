// FP4 E2M1 of OCP MX: 0, 0.5, 1, 1.5, 2, 3, 4, 6 for codes 0 to 7, bit 3 the sign.
#pragma once

#include <cstdint>

#include "formats/small_float.h"

namespace lowp {

struct E2m1 {
  static constexpr int kBits = 4;
  static constexpr int kMantissaBits = 1;
  static constexpr int kBias = 1;
  static constexpr int kEmax = 2;
  static constexpr float kMax = 6.0F;
  static constexpr std::uint8_t kMaxCode = 0x7;
  static constexpr std::uint8_t kSignCode = 0x8;
  static constexpr std::uint32_t kMaxMantissa = 0x400000;  // fp32 mantissa field of kMax

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

  // One of the two neighbours, the upper with the probability of the remainder; `uniform` in [0,
  // 1).
  LOWP_HD static constexpr std::uint8_t from_float_stochastic(float x, float uniform) {
    if (is_nan(x) || abs_bits(x) >= to_bits(kMax)) return from_float(x);
    const std::uint32_t sign = (to_bits(x) & kSignBit) != 0 ? kSignCode : 0U;
    return static_cast<std::uint8_t>(
        sign | encode_magnitude_stochastic<kMantissaBits, kBias>(abs_bits(x), uniform));
  }
};

}  // namespace lowp
