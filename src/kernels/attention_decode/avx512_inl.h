// What simd_inl.h needs beyond avx512_vector_inl.h.
#pragma once

#include "kernels/linear_common/avx512_vector_inl.h"

namespace lowp::kernels {
namespace {

// Vectors of a value whose sums are registers: all of them, of 4 heads of 64, or 2 of 128.
template <int kHeads>
constexpr int kValueVectors = kHeads > 2 ? 4 : (kHeads == 2 ? 8 : 16);

// Lane i of the result is the sum of all lanes of v[i].
inline __m512 sum_each(const __m512* v) {
  __m512 quad[4];
  for (int i = 0; i < 4; ++i) {
    const __m512 *a = v + 4 * i, *b = a + 2;
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1]));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(b[0], b[1]), _mm512_unpackhi_ps(b[0], b[1]));
    const __m512d lo = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    const __m512d hi = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    quad[i] = _mm512_add_ps(_mm512_castpd_ps(lo), _mm512_castpd_ps(hi));
  }
  const auto fold = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
  };
  return fold(fold(quad[0], quad[1]), fold(quad[2], quad[3]));
}

}  // namespace
}  // namespace lowp::kernels
