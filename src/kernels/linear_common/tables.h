// Values of codes as bf16 numbers, for table look-ups. All of them are exact in bf16.
#pragma once

#include <array>
#include <cstdint>

#include "formats/bf16.h"
#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/e5m2.h"
#include "formats/integers.h"

namespace lowp::kernels {

// By a code without its sign; NaN at 127.
alignas(64) inline constexpr auto kE4m3Bf16 = [] {
  std::array<std::uint16_t, 128> table{};
  for (unsigned code = 0; code < 128; ++code) {
    table[code] = Bf16::from_float(E4m3::to_float(static_cast<std::uint8_t>(code)));
  }
  return table;
}();

// Of codes below 8 and, at 31, of 127: those whose value is not its bits moved.
alignas(64) inline constexpr auto kE4m3Special = [] {
  std::array<std::uint16_t, 32> table{};
  for (unsigned code = 0; code < 8; ++code) table[code] = kE4m3Bf16[code];
  table[31] = kE4m3Bf16[127];
  return table;
}();

// Of codes below 4, by their low five bits.
alignas(64) inline constexpr auto kE5m2Special = [] {
  std::array<std::uint16_t, 32> table{};
  for (unsigned code = 0; code < 4; ++code) {
    table[code] = Bf16::from_float(E5m2::to_float(static_cast<std::uint8_t>(code)));
  }
  return table;
}();

// Twice the 16 codes: a look-up by the low five bits of a byte then ignores the fifth.
alignas(64) inline constexpr auto kE2m1Bf16 = [] {
  std::array<std::uint16_t, 32> table{};
  for (unsigned code = 0; code < 32; ++code) {
    table[code] = Bf16::from_float(E2m1::to_float(static_cast<std::uint8_t>(code & 15)));
  }
  return table;
}();

alignas(64) inline constexpr auto kInt4Bf16 = [] {
  std::array<std::uint16_t, 32> table{};
  for (unsigned code = 0; code < 32; ++code) {
    table[code] = Bf16::from_float(static_cast<float>(sign_extend(code, 4)));
  }
  return table;
}();

}  // namespace lowp::kernels
