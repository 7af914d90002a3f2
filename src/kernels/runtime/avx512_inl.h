// The vectors of AVX-512 F, BW, DQ, VL under the names that simd_inl.h describes. For avx512.cpp
// files; internal linkage.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lowp::kernels {
namespace {

using Floats = __m512;
using Ints = __m512i;
using Int16s = __m512i;
using Mask = __mmask16;

inline constexpr std::int64_t kLanes = 16;
inline constexpr std::int64_t kStep = 32;

struct Pair {
  Floats a;
  Floats b;
};

// count < 32
inline __mmask32 first(std::int64_t count) { return (1U << count) - 1U; }
inline __mmask16 low_half(__mmask32 mask) { return static_cast<__mmask16>(mask); }
inline __mmask16 high_half(__mmask32 mask) { return static_cast<__mmask16>(mask >> 16); }

inline Floats broadcast(float x) { return _mm512_set1_ps(x); }
inline Ints broadcast(std::int32_t x) { return _mm512_set1_epi32(x); }
inline Int16s broadcast16(std::int32_t x) {
  return _mm512_set1_epi16(static_cast<std::int16_t>(x));
}

inline Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Ints round_to_ints(Floats x) { return _mm512_cvtps_epi32(x); }
inline Ints bits_of(Floats x) { return _mm512_castps_si512(x); }
inline Floats floats_of(Ints bits) { return _mm512_castsi512_ps(bits); }

inline Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
inline Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
inline Ints min(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
inline Ints max(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
inline Ints bit_and(Ints a, Ints b) { return _mm512_and_si512(a, b); }
inline Ints bit_or(Ints a, Ints b) { return _mm512_or_si512(a, b); }
template <int kBits>
inline Ints shift_right(Ints x) {
  return _mm512_srli_epi32(x, kBits);
}
// x | (from & mask)
inline Ints insert_bits(Ints x, Ints from, std::int32_t mask) {
  return _mm512_ternarylogic_epi32(x, from, broadcast(mask), 0xF8);
}
inline Mask greater(Ints a, Ints b) { return _mm512_cmpgt_epi32_mask(a, b); }
inline Ints select(Mask mask, Ints yes, Ints no) { return _mm512_mask_blend_epi32(mask, no, yes); }

inline Int16s add16(Int16s a, Int16s b) { return _mm512_adds_epi16(a, b); }
inline Int16s subtract16(Int16s a, Int16s b) { return _mm512_sub_epi16(a, b); }
inline Int16s min16(Int16s a, Int16s b) { return _mm512_min_epi16(a, b); }
inline Int16s max16(Int16s a, Int16s b) { return _mm512_max_epi16(a, b); }
inline Int16s bit_xor16(Int16s a, Int16s b) { return _mm512_xor_si512(a, b); }
template <int kBits>
inline Int16s shift_left16(Int16s x) {
  return _mm512_slli_epi16(x, kBits);
}

// `value` where x > limit.
inline Int16s replace_above16(Int16s x, std::int32_t limit, std::int32_t value) {
  return _mm512_mask_mov_epi16(x, _mm512_cmpgt_epi16_mask(x, broadcast16(limit)),
                               broadcast16(value));
}

// The low halves of a, then those of b.
inline Int16s join_in_order(Ints a, Ints b) {
  alignas(64) static constexpr std::int16_t kLow[32] = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20,
                                                        22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42,
                                                        44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
  return _mm512_permutex2var_epi16(a, _mm512_load_si512(kLow), b);
}

// Bits above the low half of every result are not those of bf16.
inline Ints bf16_bits_high(Floats x) {
  const Ints bits = bits_of(x);
  const Ints odd = bit_and(shift_right<16>(bits), broadcast(1));
  const Ints rounded = add(add(bits, broadcast(0x7FFF)), odd);
  const Mask nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_mask_or_epi32(rounded, nan, bits, broadcast(0x00400000));
}

inline Floats round_to_bf16(Floats x) {
  return floats_of(bit_and(bf16_bits_high(x), broadcast(static_cast<std::int32_t>(0xFFFF0000))));
}
inline Floats round_to_fp16(Floats x) {
  return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

struct F32 {
  using Type = float;
  static Pair load(const float* x) { return {_mm512_loadu_ps(x), _mm512_loadu_ps(x + kLanes)}; }
  static Pair load(const float* x, std::int64_t count) {
    const __mmask32 mask = first(count);
    return {_mm512_maskz_loadu_ps(low_half(mask), x),
            _mm512_maskz_loadu_ps(high_half(mask), x + kLanes)};
  }
  static Pair order(Pair x) { return x; }
  static Int16s join(Ints a, Ints b) { return join_in_order(a, b); }
  static Pair spread16(const float* x) { return {broadcast(x[0]), broadcast(x[1])}; }
  static void store(float* out, Pair x) {
    _mm512_storeu_ps(out, x.a);
    _mm512_storeu_ps(out + kLanes, x.b);
  }
  static void store(float* out, Pair x, std::int64_t count) {
    const __mmask32 mask = first(count);
    _mm512_mask_storeu_ps(out, low_half(mask), x.a);
    _mm512_mask_storeu_ps(out + kLanes, high_half(mask), x.b);
  }
};

struct F16 {
  using Type = std::uint16_t;
  static Pair load(const std::uint16_t* x) { return widen(_mm512_loadu_si512(x)); }
  static Pair load(const std::uint16_t* x, std::int64_t count) {
    return widen(_mm512_maskz_loadu_epi16(first(count), x));
  }
  static Pair order(Pair x) { return x; }
  static Int16s join(Ints a, Ints b) { return join_in_order(a, b); }
  static Pair spread16(const float* x) { return {broadcast(x[0]), broadcast(x[1])}; }
  static void store(std::uint16_t* out, Pair x) { _mm512_storeu_si512(out, narrow(x)); }
  static void store(std::uint16_t* out, Pair x, std::int64_t count) {
    _mm512_mask_storeu_epi16(out, first(count), narrow(x));
  }
  static Pair widen(Int16s x) {
    return {_mm512_cvtph_ps(_mm512_castsi512_si256(x)),
            _mm512_cvtph_ps(_mm512_extracti64x4_epi64(x, 1))};
  }
  static Int16s narrow(Pair x) {
    const __m256i low = _mm512_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT);
    const __m256i high = _mm512_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
};

// Lane order: a holds the even elements, b the odd ones.
struct BF16 {
  using Type = std::uint16_t;
  static Pair load(const std::uint16_t* x) { return widen(_mm512_loadu_si512(x)); }
  static Pair load(const std::uint16_t* x, std::int64_t count) {
    return widen(_mm512_maskz_loadu_epi16(first(count), x));
  }
  static Pair order(Pair x) {
    const Ints even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return {_mm512_permutex2var_ps(x.a, even, x.b),
            _mm512_permutex2var_ps(x.a, add(even, broadcast(1)), x.b)};
  }
  static Int16s join(Ints a, Ints b) {
    return _mm512_mask_blend_epi16(0xAAAAAAAA, a, _mm512_slli_epi32(b, 16));
  }
  static Pair spread16(const float* x) {
    const Floats both = _mm512_insertf32x8(broadcast(x[0]), _mm256_set1_ps(x[1]), 1);
    return {both, both};
  }
  static void store(std::uint16_t* out, Pair x) { _mm512_storeu_si512(out, narrow(x)); }
  static void store(std::uint16_t* out, Pair x, std::int64_t count) {
    _mm512_mask_storeu_epi16(out, first(count), narrow(x));
  }
  static Pair widen(Int16s x) {
    return {floats_of(_mm512_slli_epi32(x, 16)),
            floats_of(bit_and(x, broadcast(static_cast<std::int32_t>(0xFFFF0000))))};
  }
  static Int16s narrow(Pair x) {
    return join_in_order(shift_right<16>(bf16_bits_high(x.a)),
                         shift_right<16>(bf16_bits_high(x.b)));
  }
};

// Codes of kStep elements between memory and 16-bit lanes.
inline void store_saturated(std::int8_t* out, Int16s x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtsepi16_epi8(x));
}
inline void store_saturated(std::int8_t* out, Int16s x, std::int64_t count) {
  _mm512_mask_cvtsepi16_storeu_epi8(out, first(count), x);
}
inline void store_bytes(std::uint8_t* out, Int16s x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtepi16_epi8(x));
}
inline void store_bytes(std::uint8_t* out, Int16s x, std::int64_t count) {
  _mm512_mask_cvtepi16_storeu_epi8(out, first(count), x);
}
// In a 32-bit lane: the odd element's nibble lies 16 bits up, its place is 4 bits up.
inline Ints nibble_pairs(Int16s x) {
  return _mm512_ternarylogic_epi32(broadcast(0x0F), x, shift_right<12>(x), 0xCA);
}
inline void store_nibbles(std::uint8_t* out, Int16s x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtepi32_epi8(nibble_pairs(x)));
}
inline void store_nibbles(std::uint8_t* out, Int16s x, std::int64_t count) {
  _mm512_mask_cvtepi32_storeu_epi8(out, low_half(first(count / 2)), nibble_pairs(x));
}
inline Int16s load_signed_bytes(const std::int8_t* codes) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
}
inline Int16s load_signed_bytes(const std::int8_t* codes, std::int64_t count) {
  return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(first(count), codes));
}
inline Int16s load_bytes(const std::uint8_t* codes) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
}
inline Int16s load_bytes(const std::uint8_t* codes, std::int64_t count) {
  return _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(first(count), codes));
}
inline Int16s spread_nibbles(__m128i pairs) {
  const Ints x = _mm512_cvtepu8_epi32(pairs);
  return bit_and(bit_or(x, _mm512_slli_epi32(x, 12)), broadcast(0x000F000F));
}
inline Int16s load_nibbles(const std::uint8_t* codes) {
  return spread_nibbles(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
}
inline Int16s load_nibbles(const std::uint8_t* codes, std::int64_t count) {
  return spread_nibbles(_mm_maskz_loadu_epi8(low_half(first(count / 2)), codes));
}

inline Pair to_floats(Int16s x) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_castsi512_si256(x))),
          _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(x, 1)))};
}

// 16-bit integers for scans: kStep of them; fp32 scans hold two vectors of 32-bit ones.
inline Int16s load16(const std::uint16_t* x) { return _mm512_loadu_si512(x); }
inline Int16s load16(const std::uint16_t* x, std::int64_t count, Int16s otherwise) {
  return _mm512_mask_loadu_epi16(otherwise, first(count), x);
}
inline Ints load32(const float* x) { return _mm512_loadu_si512(x); }
inline Ints load32(const float* x, std::int64_t count, Ints otherwise) {
  return _mm512_mask_loadu_epi32(otherwise, low_half(first(count)), x);
}

// Bits of fp16 or bf16 (16-bit lanes), of fp32 (32-bit lanes), in the order of the numbers: the
// bits below the sign of negative ones are flipped.
inline Int16s ordered16(Int16s x) {
  return _mm512_ternarylogic_epi32(x, _mm512_srai_epi16(x, 15), broadcast16(0x7FFF), 0x78);
}
inline Ints ordered32(Ints x) {
  return _mm512_ternarylogic_epi32(x, _mm512_srai_epi32(x, 31), broadcast(0x7FFFFFFF), 0x78);
}

inline std::int32_t reduce_max32(Ints x) { return _mm512_reduce_max_epi32(x); }
inline std::int32_t reduce_min32(Ints x) { return _mm512_reduce_min_epi32(x); }
// phminposuw finds the least of eight unsigned numbers: flip so that this is the one wanted.
inline std::int16_t reduce_max16(Int16s x) {
  const __m256i y = _mm256_max_epi16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  const __m128i z = _mm_max_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
  const __m128i flipped = _mm_minpos_epu16(_mm_xor_si128(z, _mm_set1_epi16(0x7FFF)));
  return static_cast<std::int16_t>(_mm_extract_epi16(flipped, 0) ^ 0x7FFF);
}
inline std::int16_t reduce_min16(Int16s x) {
  const __m256i y = _mm256_min_epi16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  const __m128i z = _mm_min_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
  const __m128i sign = _mm_set1_epi16(static_cast<std::int16_t>(0x8000));
  const __m128i flipped = _mm_minpos_epu16(_mm_xor_si128(z, sign));
  return static_cast<std::int16_t>(_mm_extract_epi16(flipped, 0) ^ 0x8000);
}

}  // namespace
}  // namespace lowp::kernels
