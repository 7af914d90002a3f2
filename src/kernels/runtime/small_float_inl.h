// Codes of formats with fewer exponent bits than fp32 (e4m3, e5m2, e2m3, e3m2, e2m1) by integer
// arithmetic, on the vectors that simd_inl.h describes. The arithmetic is that of
// formats/small_float.h; `Format` is E4m3 and so on, of which only the constants are used.
#pragma once

#include "formats/e2m1.h"
#include "formats/e2m3.h"
#include "formats/e3m2.h"
#include "formats/e4m3.h"
#include "formats/e5m2.h"
#include "kernels/runtime/simd_inl.h"

namespace lowp::kernels {
namespace {

// Calls f with the format of an MX element.
template <class Function>
inline void with_format(DType element, const Function& f) {
  if (element == DType::kF8E4M3) f(E4m3{});
  if (element == DType::kF8E5M2) f(E5m2{});
  if (element == DType::kF6E2M3) f(E2m3{});
  if (element == DType::kF6E3M2) f(E3m2{});
  if (element == DType::kF4) f(E2m1{});
}

// |x| as fp32 bits, at most the format's largest number. RNE.
template <class Format>
inline Ints encode_magnitudes(Ints magnitude) {
  constexpr int kShift = 23 - Format::kMantissaBits;
  constexpr std::int32_t kSmallestNormal = (128 - Format::kBias) << 23;
  // One unit of the sum's last place is one of the format's smallest subnormals.
  constexpr std::int32_t kAligner = (127 + 24 - Format::kBias - Format::kMantissaBits) << 23;
  const Ints subnormal = subtract(
      bits_of(add(floats_of(magnitude), floats_of(broadcast(kAligner)))), broadcast(kAligner));
  constexpr std::int32_t kRebias = (127 - Format::kBias) << Format::kMantissaBits;
  constexpr std::int32_t kBelowHalf = (1 << (kShift - 1)) - 1;
  const Ints odd = bit_and(shift_right<kShift>(magnitude), broadcast(1));
  const Ints sum = add(add(magnitude, broadcast(kBelowHalf - (kRebias << kShift))), odd);
  const Ints normal = shift_right<kShift>(sum);
  return select(greater(broadcast(kSmallestNormal), magnitude), subnormal, normal);
}

template <class Format>
inline constexpr std::int32_t kSignCode = 1 << (Format::kBits - 1);

// Format::from_float: saturates; NaN becomes the NaN code with its sign, or where there is none
// the largest number. kFinite: there is no NaN.
template <class Format, bool kFinite>
inline Ints encode(Floats x) {
  constexpr std::int32_t kMaxBits = __builtin_bit_cast(std::int32_t, Format::kMax);
  constexpr std::int32_t kInfinity = 0x7F800000;
  const Ints bits = bits_of(x);
  const Ints magnitude = bit_and(bits, broadcast(kMagnitude32));
  const Ints code = encode_magnitudes<Format>(min(magnitude, broadcast(kMaxBits)));
  const Ints coded = insert_bits(code, shift_right<32 - Format::kBits>(bits), kSignCode<Format>);
  if constexpr (kFinite) return coded;
  const Mask nan = greater(magnitude, broadcast(kInfinity));
  if constexpr (Format::kBits == 8) {
    const Ints nan_code = broadcast(std::int32_t{Format::kNaNCode});
    return select(nan, bit_or(coded, nan_code), coded);
  } else {
    return select(nan, broadcast(std::int32_t{Format::kMaxCode}), coded);
  }
}

// Format::to_float of codes in 16-bit lanes, as fp16 numbers times 2^(15 - bias): fp16 holds every
// number of every format, and its conversion to fp32 costs nothing for subnormals.
template <class Format>
inline Pair decode(Int16s code) {
  constexpr std::int32_t kSign = kSignCode<Format>;
  const Int16s sign = shift_left16<16 - Format::kBits>(bit_and(code, broadcast16(kSign)));
  Int16s half = shift_left16<10 - Format::kMantissaBits>(bit_and(code, broadcast16(kSign - 1)));
  if constexpr (Format::kBits == 8) {
    // e5m2 has Inf where fp16 has it and NaN above; e4m3 has NaN in the place of 480.
    constexpr std::int32_t kLargest = Format::kMantissaBits == 2 ? 0x7C00 : 0x3F00;
    half = replace_above16(half, kLargest, 0x7E00);
  }
  const Pair x = F16::widen(bit_or(half, sign));
  const Floats unit = broadcast(static_cast<float>(1 << (15 - Format::kBias)));
  return {multiply(x.a, unit), multiply(x.b, unit)};
}

}  // namespace
}  // namespace lowp::kernels
