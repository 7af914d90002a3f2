// IEEE binary16: 1 sign, 5 exponent, 10 mantissa bits, bias 15.
#pragma once

#include <cstdint>

#include "formats/small_float.h"

namespace lowp {

struct Fp16 {
  static constexpr float kMax = 65504.0F;
  static constexpr float kSmallestNormal = 0x1p-14F;

  LOWP_HD static constexpr float to_float(std::uint16_t code) {
    const std::uint32_t sign = static_cast<std::uint32_t>(code & 0x8000U) << 16;
    const std::uint32_t magnitude = code & 0x7FFFU;
    if (magnitude >= 0x7C00U) {
      const std::uint32_t quiet = magnitude > 0x7C00U ? 0x00400000U : 0U;
      return from_bits(sign | kInfBits | quiet | (magnitude & 0x3FFU) << 13);
    }
    return from_bits(sign | to_bits(decode_magnitude<10, 15>(magnitude)));
  }

  // RNE; from 65520 on to Inf. A NaN keeps its sign and upper payload and becomes quiet, as
  // vcvtps2ph has it.
  LOWP_HD static constexpr std::uint16_t from_float(float x) {
    const std::uint32_t sign = (to_bits(x) >> 16) & 0x8000U;
    const std::uint32_t magnitude = abs_bits(x);
    constexpr std::uint32_t kOverflow = 0x477FF000;  // 65520, the tie between kMax and 2^16
    if (magnitude > kInfBits) {
      return static_cast<std::uint16_t>(sign | 0x7E00U | ((magnitude >> 13) & 0x3FFU));
    }
    if (magnitude >= kOverflow) return static_cast<std::uint16_t>(sign | 0x7C00U);
    return static_cast<std::uint16_t>(sign | encode_magnitude<10, 15>(magnitude));
  }

  LOWP_HD static constexpr float round(float x) { return to_float(from_float(x)); }
};

}  // namespace lowp
