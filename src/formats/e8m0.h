// E8M0 of OCP MX, the scale of a block: byte e means 2^(e - 127), 255 is NaN; there is no zero.
#pragma once

#include <cstdint>

#include "formats/float_bits.h"

namespace lowp {

struct E8m0 {
  static constexpr std::uint8_t kNaNCode = 0xFF;
  static constexpr int kBias = 127;

  // Byte 0 is 2^-127, an fp32 subnormal.
  LOWP_HD static constexpr float to_float(std::uint8_t code) {
    if (code == kNaNCode) return kNaN;
    return code == 0 ? from_bits(0x00400000) : from_bits(static_cast<std::uint32_t>(code) << 23);
  }

  // 1 / to_float(code), exact: 2^127 for byte 0, the subnormal 2^-127 for byte 254.
  LOWP_HD static constexpr float reciprocal(std::uint8_t code) {
    if (code >= 254) return code == 254 ? from_bits(0x00400000) : kNaN;
    return from_bits((254U - code) << 23);
  }

  // The byte of 2^exponent, saturating.
  LOWP_HD static constexpr std::uint8_t from_exponent(int exponent) {
    if (exponent < -127) return 0;
    return static_cast<std::uint8_t>(exponent > 127 ? 254 : exponent + kBias);
  }
};

}  // namespace lowp
