// For files of AVX-512 levels: internal linkage.
#pragma once

#include <cstddef>

#include "kernels/linear_common/avx512_vector_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kAmxPanelColumns = 32;

// Rows are dwords: transposed[j] holds dword j of each row. Four rows meet in a vector's 128-bit
// parts by loads, so that what is left is four by four within each part.
template <std::size_t kRowSteps, std::size_t kColumns>
void transpose_square(const std::int32_t (*rows)[kRowSteps], std::int64_t at,
                      std::int32_t (*transposed)[kColumns], std::int64_t column) {
#pragma GCC unroll 4
  for (std::int64_t first = 0; first < kLanes; first += 4) {
    const auto part = [&](std::int64_t row) {
      return _mm_load_si128(reinterpret_cast<const __m128i*>(rows[row] + at + first));
    };
    // Rows i, i + 4, i + 8 and i + 12.
    const auto four = [&](std::int64_t i) {
      __m512i v = _mm512_castsi128_si512(part(i));
      v = _mm512_inserti32x4(v, part(i + 4), 1);
      v = _mm512_inserti32x4(v, part(i + 8), 2);
      return _mm512_inserti32x4(v, part(i + 12), 3);
    };
    const __m512i a = four(0), b = four(1), c = four(2), d = four(3);
    const __m512i ab_low = _mm512_unpacklo_epi32(a, b);
    const __m512i ab_high = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi32(c, d);
    const __m512i cd_high = _mm512_unpackhi_epi32(c, d);
    const auto store = [&](std::int64_t j, __m512i values) {
      _mm512_store_si512(transposed[first + j] + column, values);
    };
    store(0, _mm512_unpacklo_epi64(ab_low, cd_low));
    store(1, _mm512_unpackhi_epi64(ab_low, cd_low));
    store(2, _mm512_unpacklo_epi64(ab_high, cd_high));
    store(3, _mm512_unpackhi_epi64(ab_high, cd_high));
  }
}

// columns[j] holds dword j of each of 16 rows of 64 bytes. join(i, low, high): the halves of rows i
// and i + 4 side by side.
template <class Join>
[[gnu::always_inline]] inline void transpose_dwords(const Join& join, Ints* columns) {
  constexpr int kEvenParts = 0x88;
  constexpr int kOddParts = 0xDD;
  Ints halves[2][8];  // rows 0 to 3 with 4 to 7, then 8 to 11 with 12 to 15
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) join(i < 4 ? i : i + 4, halves[0][i], halves[1][i]);
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    Ints parts[2][4];  // dword j of a 128-bit part's four rows
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const Ints* rows = halves[half] + 4 * i;
      const Ints ab_low = _mm512_unpacklo_epi32(rows[0], rows[1]);
      const Ints ab_high = _mm512_unpackhi_epi32(rows[0], rows[1]);
      const Ints cd_low = _mm512_unpacklo_epi32(rows[2], rows[3]);
      const Ints cd_high = _mm512_unpackhi_epi32(rows[2], rows[3]);
      parts[i][0] = _mm512_unpacklo_epi64(ab_low, cd_low);
      parts[i][1] = _mm512_unpackhi_epi64(ab_low, cd_low);
      parts[i][2] = _mm512_unpacklo_epi64(ab_high, cd_high);
      parts[i][3] = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      columns[8 * half + j] = _mm512_shuffle_i32x4(parts[0][j], parts[1][j], kEvenParts);
      columns[8 * half + 4 + j] = _mm512_shuffle_i32x4(parts[0][j], parts[1][j], kOddParts);
    }
  }
}

// Of rows in memory. All of a row is read at once: 16 rows a page apart share a set of the L1 cache
// that has fewer ways.
template <class Row>
[[gnu::always_inline]] inline void transpose_memory(const Row& row, Ints* columns) {
  const auto half = [](const std::uint8_t* codes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  };
  transpose_dwords(
      [&](std::int64_t i, Ints& low, Ints& high) {
        const std::uint8_t* a = row(i);
        const std::uint8_t* b = row(i + 4);
        low = _mm512_inserti64x4(_mm512_castsi256_si512(half(a)), half(b), 1);
        high = _mm512_inserti64x4(_mm512_castsi256_si512(half(a + 32)), half(b + 32), 1);
      },
      columns);
}

// Of rows in registers.
template <class Row>
[[gnu::always_inline]] inline void transpose_vectors(const Row& row, Ints* columns) {
  constexpr int kLowHalves = 0x44;
  constexpr int kHighHalves = 0xEE;
  transpose_dwords(
      [&](std::int64_t i, Ints& low, Ints& high) {
        const Ints a = row(i);
        const Ints b = row(i + 4);
        low = _mm512_shuffle_i32x4(a, b, kLowHalves);
        high = _mm512_shuffle_i32x4(a, b, kHighHalves);
      },
      columns);
}

}  // namespace
}  // namespace lowp::kernels
