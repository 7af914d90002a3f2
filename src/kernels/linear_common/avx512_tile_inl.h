// The size of panels_inl.h's tile and what it needs beyond avx512_vector_inl.h, for AVX-512 levels.
#pragma once

#include "kernels/linear_common/avx512_vector_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kTileRows = 8;      // rows of x in registers
constexpr std::int64_t kTileVectors = 3;   // vectors of columns in registers: 24 accumulators
constexpr std::int64_t kPanelSteps = 128;  // 24 KiB of decoded weight: stays in L1
constexpr std::int64_t kBlockPanels = 4;   // panels that share one decoded block of x
constexpr std::int64_t kBlockRows = 256;
constexpr std::int64_t kPanelColumns = kTileVectors * kLanes;

// Rows are dwords: transposed[j] holds dword j of each row.
inline void transpose_square(const std::int32_t (*rows)[kPanelSteps], std::int64_t at,
                             std::int32_t (*transposed)[kPanelColumns], std::int64_t column) {
  __m512i a[16];
  __m512i b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = _mm512_load_si512(rows[i] + at);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
    b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    a[4 * i] = _mm512_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
    a[4 * i + 1] = _mm512_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
    a[4 * i + 2] = _mm512_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
    a[4 * i + 3] = _mm512_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
  }
  // a[4 * i + j]: rows 4i to 4i + 3, dwords j, 4 + j, 8 + j, 12 + j in the four 128-bit parts.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i even_low = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
    const __m512i odd_low = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xDD);
    const __m512i even_high = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
    const __m512i odd_high = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xDD);
    _mm512_store_si512(transposed[j] + column, _mm512_shuffle_i32x4(even_low, even_high, 0x88));
    _mm512_store_si512(transposed[4 + j] + column, _mm512_shuffle_i32x4(odd_low, odd_high, 0x88));
    _mm512_store_si512(transposed[8 + j] + column, _mm512_shuffle_i32x4(even_low, even_high, 0xDD));
    _mm512_store_si512(transposed[12 + j] + column, _mm512_shuffle_i32x4(odd_low, odd_high, 0xDD));
  }
}

}  // namespace
}  // namespace lowp::kernels
