// The size of panels_inl.h's tile and what it needs beyond avx2_vector_inl.h, for level avx2.
#pragma once

#include "kernels/linear_common/avx2_vector_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kTileRows = 6;      // rows of x in registers
constexpr std::int64_t kTileVectors = 2;   // vectors of columns in registers: 12 accumulators
constexpr std::int64_t kPanelSteps = 256;  // 16 KiB of decoded weight: stays in L1
constexpr std::int64_t kBlockPanels = 8;   // panels that share one decoded block of x
constexpr std::int64_t kBlockRows = 264;
constexpr std::int64_t kPanelColumns = kTileVectors * kLanes;
constexpr std::int64_t kRowsAhead = 2;  // how far x is read ahead
constexpr bool kUnrollsNarrow = true;   // steps between two widenings of sums of 16 bits

// row(i): where 8 dwords of row i are. transposed[j]: dword j of each row.
template <class Row>
[[gnu::always_inline]] inline void transpose_eight(const Row& row, Floats* transposed) {
  // Halves of rows i and i + 4 in one vector: what is left is four by four within its 128 bits.
  const auto halves = [&row](std::int64_t i, std::int64_t byte) {
    const auto part = [byte](const void* dwords) {
      return _mm_loadu_ps(reinterpret_cast<const float*>(static_cast<const char*>(dwords) + byte));
    };
    return _mm256_insertf128_ps(_mm256_castps128_ps256(part(row(i))), part(row(i + 4)), 1);
  };
#pragma GCC unroll 2
  for (std::int64_t first = 0; first < 8; first += 4) {
    const __m256 a = halves(0, first * 4), b = halves(1, first * 4);
    const __m256 c = halves(2, first * 4), d = halves(3, first * 4);
    const __m256d ab_low = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
    const __m256d ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
    const __m256d cd_low = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
    const __m256d cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
    transposed[first] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_low, cd_low));
    transposed[first + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_low, cd_low));
    transposed[first + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high));
    transposed[first + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high));
  }
}

// Rows are dwords: transposed[j] holds dword j of each row.
inline void transpose_square(const std::int32_t (*rows)[kPanelSteps], std::int64_t at,
                             std::int32_t (*transposed)[kPanelColumns], std::int64_t column) {
  Floats dwords[kLanes];
  transpose_eight([&](std::int64_t i) { return rows[i] + at; }, dwords);
#pragma GCC unroll 8
  for (int j = 0; j < kLanes; ++j) store_floats(transposed[j] + column, dwords[j]);
}

}  // namespace
}  // namespace lowp::kernels
