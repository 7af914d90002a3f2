// Formats of rows_inl.h with fp32 elements. For files of level avx512.
#pragma once

#include "kernels/linear_common/decode_inl.h"
#include "kernels/linear_common/fp32_job_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_common/rows_inl.h"
#include "kernels/linear_common/steps_inl.h"

namespace lowp::kernels {
namespace {

struct Fp32Sums {
  static constexpr std::int64_t kElementsPerStep = 1;
  static __m512 multiply_add(__m512 sum, __m512i part, __m512i x) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(part), _mm512_castsi512_ps(x), sum);
  }
  static __m512 add_elements(__m512 sum, __m512i x) {
    return _mm512_add_ps(sum, _mm512_castsi512_ps(x));
  }
};

// Steps of 32 codes, which become bf16 words first and their even and odd places then.
struct Fp32FromWords : Fp32Sums {
  static constexpr std::int64_t kCodes = 32;
  static constexpr int kParts = 2;
  static constexpr int kInterleave = 2;

  static void split(__m512i words, __m512i* parts) {
    parts[0] = _mm512_castps_si512(even_to_fp32(words));
    parts[1] = _mm512_castps_si512(odd_to_fp32(words));
  }
};

struct Bf16Codes : Fp32FromWords {
  static constexpr std::int64_t kBytes = 64;
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    split(_mm512_maskz_loadu_epi8(first_64_lanes(bytes), codes), parts);
  }
};

struct E4m3Codes : Fp32FromWords {
  static constexpr std::int64_t kBytes = 32;
  E4m3Table table;
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    split(table.bf16(load_codes_32(codes, bytes)), parts);
  }
};

// int4 and e2m1, by their table.
struct NibbleCodes : Fp32FromWords {
  static constexpr std::int64_t kBytes = 16;
  __m512i table;
  explicit NibbleCodes(const std::array<std::uint16_t, 32>& values)
      : table(_mm512_load_si512(values.data())) {}
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    split(nibbles_to_words(load_codes_16(codes, bytes), table), parts);
  }
};

struct Int8Codes : Fp32Sums {
  static constexpr std::int64_t kCodes = 32;
  static constexpr std::int64_t kBytes = 32;
  static constexpr int kParts = 2;
  static constexpr int kInterleave = 1;
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    for (int i = 0; i < 2; ++i) {
      const __m128i part = load_codes_16(codes + 16 * i, bytes - 16 * i);
      parts[i] = _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(part)));
    }
  }
};

template <class Format>
void multiply(const LinearJob& job, const Format& format, const void* weight) {
  if (fits_few_rows<Format>(job)) {
    multiply_few_rows(job, format, static_cast<const std::uint8_t*>(weight));
  } else {
    linear_panels_avx512(job);
  }
}

}  // namespace
}  // namespace lowp::kernels
