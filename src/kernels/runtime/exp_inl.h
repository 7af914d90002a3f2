// e^x of 16 fp32 lanes. For files of AVX-512 levels: internal linkage, a copy in each of them.
#pragma once

#include <immintrin.h>

namespace lowp::kernels {
namespace {

// Within 2 ulp; 0 below about -103.3, Inf above 88.7, NaN stays. x = n ln 2 + r, |r| <= ln 2 / 2;
// the polynomial for e^r is that of Cephes' expf.
inline __m512 exp_lanes(__m512 x) {
  // The operand order of min and max lets NaN through.
  x = _mm512_max_ps(_mm512_set1_ps(-105.0F), x);
  x = _mm512_min_ps(_mm512_set1_ps(90.0F), x);
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  const __m512 n =
      _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341F)), kNearest);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375F), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4F), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4F);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1F));
  p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.0F)));
  return _mm512_scalef_ps(p, n);
}

}  // namespace
}  // namespace lowp::kernels
