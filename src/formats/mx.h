// MX block formats (OCP MX v1.0): elements that share an E8M0 scale, 32 of them by the standard.
// Everything about the scale is integer arithmetic on the bits of amax.
#pragma once

#include <cstdint>

#include "formats/dtype.h"
#include "formats/e2m1.h"
#include "formats/e2m3.h"
#include "formats/e3m2.h"
#include "formats/e4m3.h"
#include "formats/e5m2.h"
#include "formats/e8m0.h"
#include "formats/mapping.h"

namespace lowp {

inline constexpr int kMxBlock = 32;

// How the scale follows from the bits of amax, the largest |x| of a block (abs_bits; NaN sorts
// highest): rounding up is an addition that carries into the exponent.
//   kFloor  2^floor(log2 amax) / 2^emax: elements may saturate
//   kCeil   2^ceil(log2 amax) / 2^emax
//   kEven   as kFloor after rounding amax to the element's mantissa
//   kRceil  the smallest scale with amax <= max * scale: nothing saturates
struct MxScaleRule {
  std::uint32_t added;
  std::uint32_t nan_from;  // NaN and Inf, and what kEven rounds to 2^128
};

template <class Element>
LOWP_HD constexpr MxScaleRule mx_scale_rule(MxScaleMode mode) {
  switch (mode) {
    case MxScaleMode::kFloor:
      return {0, kInfBits};
    case MxScaleMode::kCeil:
      return {kMantissaMask, kInfBits};
    case MxScaleMode::kEven: {
      constexpr std::uint32_t kHalf = 1U << (22 - Element::kMantissaBits);
      return {kHalf, kInfBits - kHalf};
    }
    case MxScaleMode::kRceil:
      return {kMantissaMask - Element::kMaxMantissa, kInfBits};
  }
  return {};
}

// The scale byte of a block; 255 is NaN.
template <class Element>
LOWP_HD constexpr std::uint8_t mx_scale(std::uint32_t amax_bits, MxScaleRule rule) {
  const int byte = static_cast<int>((amax_bits + rule.added) >> 23) - Element::kEmax;
  if (amax_bits >= rule.nan_from) return E8m0::kNaNCode;
  return static_cast<std::uint8_t>(byte < 0 ? 0 : byte);
}

template <class Element>
LOWP_HD constexpr std::uint8_t mx_scale(std::uint32_t amax_bits, MxScaleMode mode) {
  return mx_scale<Element>(amax_bits, mx_scale_rule<Element>(mode));
}

// `reciprocal`: E8m0::reciprocal(scale byte), NaN for 255. Saturates.
template <class Element>
LOWP_HD constexpr std::uint8_t mx_quantize(float x, float reciprocal) {
  return Element::from_float(multiply(x, reciprocal));
}

// `scale`: E8m0::to_float(scale byte). Exact but for fp32 underflow.
template <class Element>
LOWP_HD constexpr float mx_dequantize(std::uint8_t code, float scale) {
  return multiply(Element::to_float(code), scale);
}

// Calls f(Element{}) for one of the five element types; false for any other dtype.
template <class Function>
LOWP_HD constexpr bool with_mx_element(DType element, Function&& f) {
  switch (element) {
    case DType::kF8E4M3:
      f(E4m3{});
      return true;
    case DType::kF8E5M2:
      f(E5m2{});
      return true;
    case DType::kF6E2M3:
      f(E2m3{});
      return true;
    case DType::kF6E3M2:
      f(E3m2{});
      return true;
    case DType::kF4:
      f(E2m1{});
      return true;
    default:
      return false;
  }
}

}  // namespace lowp
