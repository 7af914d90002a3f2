// For files of AVX-512 levels: internal linkage.
#pragma once

#include <cstddef>

#include "kernels/linear_common/avx512_vector_inl.h"

namespace lowp::kernels {
namespace {

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

}  // namespace
}  // namespace lowp::kernels
