// Formats of rows_avx2_inl.h. For files of level avx2.
#pragma once

#include <array>

#include "kernels/linear_common/decode_avx2_inl.h"
#include "kernels/linear_common/fp32_job_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_common/rows_avx2_inl.h"
#include "kernels/linear_common/tables.h"

namespace lowp::kernels {
namespace {

struct Fp32Sums {
  using Element = float;
  using Sum = Floats;
  static constexpr bool kInteger = false;
  static constexpr std::int64_t kCodes = 32;
  static constexpr int kParts = 4;
  static constexpr bool kHalves = false;
  static Floats multiply_add(Floats sum, Ints part, Ints x) {
    return _mm256_fmadd_ps(_mm256_castsi256_ps(part), _mm256_castsi256_ps(x), sum);
  }

  // bf16 words to fp32: those of even and of odd place.
  static void split(Ints words, Ints* parts) {
    parts[0] = _mm256_slli_epi32(words, 16);
    parts[1] = _mm256_and_si256(words, broadcast(static_cast<std::int32_t>(0xFFFF0000)));
  }
};

struct Bf16Codes : Fp32Sums {
  static constexpr std::int64_t kBytes = 64;
  static constexpr int place(int i) { return i / 16 * 16 + i % 2 * 8 + i % 16 / 2; }
  void decode(const std::uint8_t* codes, Ints* parts) const {
    split(load_ints(codes), parts);
    split(load_ints(codes + 32), parts + 2);
  }
};

// vpmovsxbd from memory is one operation, from a register two.
struct Int8Codes : Fp32Sums {
  static constexpr std::int64_t kBytes = 32;
  static constexpr int place(int i) { return i; }
  void decode(const std::uint8_t* codes, Ints* parts) const {
    for (int i = 0; i < kParts; ++i) {
      const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i * kLanes));
      parts[i] = _mm256_castps_si256(int8_to_fp32(eight));
    }
  }
};

// As e4m3_to_fp32, on words first: those of even and of odd bytes. Exponent and mantissa are moved
// to where fp32 has them, and x is multiplied by what the biases differ by. 15 operations for 32
// codes, of which 4 are multiply-adds (pipes 0 and 1 of Zen 3) and 5 shifts (1 and 2): 4 cycles by
// count, 6 from L2, or 5 bytes a cycle, which is what memory gives.
struct E4m3Codes : Fp32Sums {
  static constexpr std::int64_t kBytes = 32;
  static constexpr int kPower = 120;
  static constexpr int place(int i) { return (i % 2 * 2 + i % 4 / 2) * 8 + i / 4; }

  // NaN codes, 0x7F and 0xFF: twice either is 0xFE, which no other code gives or exceeds.
  struct Watch {
    Ints largest = _mm256_setzero_si256();
    [[gnu::always_inline]] void see(const std::uint8_t* codes) {
      const Ints bytes = load_ints(codes);
      largest = _mm256_max_epu8(largest, _mm256_add_epi8(bytes, bytes));
    }
    bool spoilt() const {
      const Ints nan = _mm256_cmpeq_epi8(largest, _mm256_set1_epi8(static_cast<char>(0xFE)));
      return _mm256_testz_si256(nan, nan) == 0;
    }
  };

  void decode(const std::uint8_t* codes, Ints* parts) const {
    const Ints bytes = load_ints(codes);
    const Ints mask = _mm256_set1_epi16(static_cast<short>(0x87F0));
    split(_mm256_and_si256(_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 4), mask), parts);
    split(_mm256_and_si256(_mm256_srai_epi16(bytes, 4), mask), parts + 2);
  }
};

// Bound by its operations, not by memory: 15 for 32 codes, of which 4 are multiply-adds (pipes 0
// and 1 of Zen 3) and 7 shuffles or shifts (pipes 1 and 2); they take 6 cycles, 16 bytes at 8.5
// GB/s a core.
//
// int4 and e2m1, by the two bytes of their bf16 numbers: 16 bytes of nibbles a step, the low ones
// in the low half of a vector.
struct NibbleCodes : Fp32Sums {
  static constexpr std::int64_t kBytes = 16;
  static constexpr bool kHalves = true;
  static constexpr int place(int i) { return i / 16 * 16 + i / 2 % 2 * 8 + i % 2 * 4 + i % 16 / 4; }
  Ints low_bytes;
  Ints high_bytes;

  explicit NibbleCodes(const std::array<std::uint16_t, 32>& values) {
    alignas(32) std::array<std::uint8_t, 32> low;
    alignas(32) std::array<std::uint8_t, 32> high;
    for (std::size_t i = 0; i < 32; ++i) {
      low[i] = static_cast<std::uint8_t>(values[i]);
      high[i] = static_cast<std::uint8_t>(values[i] >> 8);
    }
    low_bytes = load_ints(low.data());
    high_bytes = load_ints(high.data());
  }

  void decode(const std::uint8_t* codes, Ints* parts) const {
    const Ints bytes =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
    const Ints shifted = _mm256_srlv_epi32(bytes, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
    const Ints nibbles = _mm256_and_si256(shifted, _mm256_set1_epi8(0x0F));
    const Ints low = _mm256_shuffle_epi8(low_bytes, nibbles);
    const Ints high = _mm256_shuffle_epi8(high_bytes, nibbles);
    split(_mm256_unpacklo_epi8(low, high), parts);
    split(_mm256_unpackhi_epi8(low, high), parts + 2);
  }
};

template <class Format>
void multiply(const LinearJob& job, const Format& format, const void* weight) {
  if (fits_few_rows<Format>(job)) {
    multiply_few_rows(job, format, weight);
  } else {
    linear_panels_avx2(job);
  }
}

}  // namespace
}  // namespace lowp::kernels
