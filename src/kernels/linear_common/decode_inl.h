// Codes to elements, in the order that they lie along K. For files of AVX-512 levels: internal
// linkage. The functions on rows write whole vectors, zeros behind the last element.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/linear_common/avx512_vector_inl.h"
#include "kernels/linear_common/elements_inl.h"
#include "kernels/linear_common/tables.h"

namespace lowp::kernels {
namespace {

// 32 bf16 numbers to fp32: those of even and of odd place.
inline __m512 even_to_fp32(__m512i words) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}
inline __m512 odd_to_fp32(__m512i words) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(words, _mm512_set1_epi32(static_cast<int>(0xFFFF0000))));
}

// Places 0, 1, 2, ... of even and odd ones.
inline void store_in_order(__m512 even, __m512 odd, std::int32_t* steps) {
  const __m512i first = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  _mm512_storeu_ps(steps, _mm512_permutex2var_ps(even, first, odd));
  _mm512_storeu_ps(steps + kLanes, _mm512_permutex2var_ps(even, second, odd));
}

// The highest bits of `signs` as those of magnitudes.
inline __m512i with_signs(__m512i magnitudes, __m512i signs) {
  constexpr int kMagnitudeOrSign = 0xF8;  // a | (b & c)
  return _mm512_ternarylogic_epi32(magnitudes, signs, _mm512_set1_epi16(static_cast<short>(0x8000)),
                                   kMagnitudeOrSign);
}

// Exponent and mantissa moved to their places in bf16, but for subnormals and NaN: a table of 128
// words would take two look-ups of three instructions each.
struct E4m3Table {
  __m512i special = _mm512_load_si512(kE4m3Special.data());

  // Codes in the low bytes of words; the high bytes do not count.
  __m512i magnitudes(__m512i words) const {
    const __m512i code = _mm512_and_si512(words, _mm512_set1_epi16(0x7F));
    const __m512i normal =
        _mm512_add_epi16(_mm512_slli_epi16(code, 4), _mm512_set1_epi16(kExponentShift));
    const __mmask32 below_8_or_127 = _mm512_cmpge_epu16_mask(
        _mm512_sub_epi16(code, _mm512_set1_epi16(8)), _mm512_set1_epi16(127 - 8));
    return _mm512_mask_permutexvar_epi16(normal, below_8_or_127, code, special);
  }

  static constexpr short kExponentShift = (127 - 7) << 7;

  // `signs`: the code in the high byte of each word.
  __m512i bf16(__m512i words, __m512i signs) const { return with_signs(magnitudes(words), signs); }

  __m512i bf16(__m256i codes) const {
    const __m512i words = _mm512_cvtepu8_epi16(codes);
    return bf16(words, _mm512_slli_epi16(words, 8));
  }
};

// An e5m2 code is the high byte of an fp16 number.
inline __m512i e5m2_to_bf16(__m256i codes) {
  const __m512i halves = _mm512_slli_epi16(_mm512_cvtepu8_epi16(codes), 8);
  const auto upper_words = [](__m256i fp16) {
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(_mm512_cvtph_ps(fp16)), 16));
  };
  const __m256i low = upper_words(_mm512_castsi512_si256(halves));
  return _mm512_inserti64x4(_mm512_castsi256_si512(low),
                            upper_words(_mm512_extracti64x4_epi64(halves, 1)), 1);
}

// 16 bytes of nibbles to the 32 words of a 32-entry table, in order. The index is a word's low
// five bits: the byte's (its fifth bit is ignored by the table), or the byte / 16.
inline __m512i nibbles_to_words(__m128i bytes, __m512i table) {
  const __m512i dwords = _mm512_cvtepu8_epi32(bytes);
  return _mm512_permutexvar_epi16(_mm512_or_si512(dwords, _mm512_slli_epi32(dwords, 12)), table);
}

inline __m256i load_codes_32(const void* codes, std::int64_t count) {
  return _mm256_maskz_loadu_epi8(first_32_lanes(count), codes);
}
inline __m128i load_codes_16(const void* codes, std::int64_t count) {
  return _mm_maskz_loadu_epi8(first_lanes(count), codes);
}

// e8m0 bytes to fp32; byte 0 is the subnormal 2^-127.
inline __m512 e8m0_to_fp32(__m128i codes) {
  const __m512i exponent = _mm512_cvtepu8_epi32(codes);
  __m512i bits = _mm512_slli_epi32(exponent, 23);
  bits = _mm512_mask_mov_epi32(bits, _mm512_testn_epi32_mask(exponent, exponent),
                               _mm512_set1_epi32(0x00400000));
  const __mmask16 nan = _mm512_cmpeq_epi32_mask(exponent, _mm512_set1_epi32(255));
  return _mm512_castsi512_ps(_mm512_mask_mov_epi32(bits, nan, _mm512_set1_epi32(0x7FC00000)));
}

// 16 e4m3 codes to fp32.
inline __m512 e4m3_to_fp32(__m128i codes) {
  const E4m3Table table;
  const __m512i words = table.bf16(_mm256_castsi128_si256(codes));
  return bf16_to_fp32(_mm512_castsi512_si256(words));
}

inline void e8m0_scales(const std::uint8_t* codes, std::int64_t count, float* values) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    _mm512_storeu_ps(values + i, e8m0_to_fp32(load_codes_16(codes + i, count - i)));
  }
}

inline void e4m3_scales(const std::uint8_t* codes, std::int64_t count, float* values) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    _mm512_storeu_ps(values + i, e4m3_to_fp32(load_codes_16(codes + i, count - i)));
  }
}

// values *= -codes
inline void multiply_by_minus(const std::int8_t* codes, std::int64_t count, float* values) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const __m512i ints = _mm512_cvtepi8_epi32(load_codes_16(codes + i, count - i));
    const __m512 minus = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_setzero_si512(), ints));
    _mm512_storeu_ps(values + i, _mm512_mul_ps(minus, _mm512_loadu_ps(values + i)));
  }
}

// `get(i, count)`: 32 bf16 numbers from element i on, of which `count` (or all 32) exist.
// To bf16 steps, 32 elements a vector.
template <class Get>
void store_bf16(std::int64_t count, std::int32_t* steps, const Get& get) {
  for (std::int64_t i = 0; i < count; i += 32) {
    _mm512_storeu_si512(steps + i / 2, get(i, count - i));
  }
}

// To fp32 steps.
template <class Get>
void store_fp32(std::int64_t count, std::int32_t* steps, const Get& get) {
  for (std::int64_t i = 0; i < count; i += 32) {
    const __m512i words = get(i, count - i);
    store_in_order(even_to_fp32(words), odd_to_fp32(words), steps + i);
  }
}

// bf16 to bf16 steps.
inline void copy_bf16(const std::uint16_t* row, std::int64_t k_begin, std::int64_t k_end,
                      std::int32_t* steps) {
  store_bf16(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return _mm512_maskz_loadu_epi16(first_32_lanes(left), row + k_begin + i);
  });
}

}  // namespace
}  // namespace lowp::kernels
