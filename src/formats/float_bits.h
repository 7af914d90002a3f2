// The bits of an fp32 number, and arithmetic that rounds after every step: a device compiler may
// fuse a * b + c unless it is told not to, and then host and device would give different codes.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "formats/host_device.h"

namespace lowp {

inline constexpr std::uint32_t kSignBit = 0x80000000;
inline constexpr std::uint32_t kInfBits = 0x7F800000;
inline constexpr std::uint32_t kMantissaMask = 0x007FFFFF;
inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kMaxFloat = std::numeric_limits<float>::max();

LOWP_HD constexpr std::uint32_t to_bits(float x) { return std::bit_cast<std::uint32_t>(x); }
LOWP_HD constexpr float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

// Bits of |x|. As integers they order as the numbers do, with Inf above and NaN above that: the
// largest of a block is its amax, and NaN if the block holds one.
LOWP_HD constexpr std::uint32_t abs_bits(float x) { return to_bits(x) & ~kSignBit; }
LOWP_HD constexpr float absolute(float x) { return from_bits(abs_bits(x)); }
LOWP_HD constexpr bool is_nan(float x) { return x != x; }

// NaN if either is NaN, as torch.max and torch.min; std::max would depend on the order.
LOWP_HD constexpr float max_or_nan(float a, float b) { return (a > b || is_nan(a)) ? a : b; }
LOWP_HD constexpr float min_or_nan(float a, float b) { return (a < b || is_nan(a)) ? a : b; }
LOWP_HD constexpr float clamp_or_nan(float x, float low, float high) {
  return x < low ? low : (x > high ? high : x);
}

// 2^exponent, exponent in [-149, 127].
LOWP_HD constexpr float power_of_two(int exponent) {
  return exponent >= -126 ? from_bits(static_cast<std::uint32_t>(exponent + 127) << 23)
                          : from_bits(1U << (exponent + 149));
}

LOWP_HD constexpr float add(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!std::is_constant_evaluated()) return __fadd_rn(a, b);
#endif
  return a + b;
}

LOWP_HD constexpr float multiply(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!std::is_constant_evaluated()) return __fmul_rn(a, b);
#endif
  return a * b;
}

// To the nearest integer, ties to even; the sign of zero, NaN and Inf pass.
LOWP_HD constexpr float round_even(float x) {
  const std::uint32_t magnitude = abs_bits(x);
  const std::uint32_t kTwoTo23 = 0x4B000000;  // from here on every float is an integer
  if (magnitude >= kTwoTo23) return x;
  // The sum has no fraction bits: the addition rounds.
  const float rounded = add(add(from_bits(magnitude), from_bits(kTwoTo23)), -from_bits(kTwoTo23));
  return from_bits(to_bits(rounded) | (to_bits(x) & kSignBit));
}

// The largest integer not above x; NaN and Inf pass.
LOWP_HD constexpr float round_down(float x) {
  const float rounded = round_even(x);
  return rounded > x ? add(rounded, -1.0F) : rounded;
}

// Drops the low `shift` bits (1 to 31), to nearest, ties to even.
LOWP_HD constexpr std::uint32_t shift_right_even(std::uint32_t bits, int shift) {
  return (bits + ((bits >> shift) & 1U) + ((1U << (shift - 1)) - 1U)) >> shift;
}

// Arithmetic in fp32: the interface that Bf16 and Fp16 share, for templates on the arithmetic.
struct Fp32 {
  static constexpr float kSmallestNormal = std::numeric_limits<float>::min();
  LOWP_HD static constexpr float round(float x) { return x; }
};

}  // namespace lowp
