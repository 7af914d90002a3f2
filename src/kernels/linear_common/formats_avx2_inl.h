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
  static constexpr int kChains = 1;
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
  static constexpr int kChains = 2;
  static constexpr std::int64_t kBytes = 64;
  static constexpr int place(int i) { return i / 16 * 16 + i % 2 * 8 + i % 16 / 2; }
  void decode(const std::uint8_t* codes, Ints* parts) const {
    split(load_ints(codes), parts);
    split(load_ints(codes + 32), parts + 2);
  }
};

struct Int8Codes : Fp32Sums {
  static constexpr std::int64_t kBytes = 32;
  static constexpr int place(int i) { return i % 4 * 8 + i / 4; }
  void decode(const std::uint8_t* codes, Ints* parts) const {
    const Ints dwords = load_ints(codes);
    const auto fp32 = [](Ints high_byte) {
      return _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_srai_epi32(high_byte, 24)));
    };
    parts[0] = fp32(_mm256_slli_epi32(dwords, 24));
    parts[1] = fp32(_mm256_slli_epi32(dwords, 16));
    parts[2] = fp32(_mm256_slli_epi32(dwords, 8));
    parts[3] = fp32(dwords);
  }
};

struct E4m3Codes : Fp32Sums {
  static constexpr std::int64_t kBytes = 32;
  static constexpr int place(int i) { return i % 4 * 8 + i / 4; }
  void decode(const std::uint8_t* codes, Ints* parts) const {
    const Ints dwords = load_ints(codes);
    const auto fp32 = [](Ints high_byte) { return _mm256_castps_si256(e4m3_to_fp32(high_byte)); };
    parts[0] = fp32(_mm256_slli_epi32(dwords, 24));
    parts[1] = fp32(_mm256_slli_epi32(dwords, 16));
    parts[2] = fp32(_mm256_slli_epi32(dwords, 8));
    parts[3] = fp32(dwords);
  }
};

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
