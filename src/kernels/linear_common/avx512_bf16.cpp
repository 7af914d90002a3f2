#include "kernels/linear_common/avx512_tile_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_common/panels_inl.h"

namespace lowp::kernels {
namespace {

struct Bf16Pairs {
  using Sum = __m512;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 2;

  static __m512 multiply_add(__m512 sum, __m512i x, __m512i weight) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(weight), reinterpret_cast<__m512bh>(x));
  }
  static __m512 add_elements(__m512 sum, __m512i x) {
    const __m512 low = _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
    const __m512 high =
        _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(static_cast<int>(0xFFFF0000))));
    return _mm512_add_ps(sum, _mm512_add_ps(low, high));
  }
};

}  // namespace

void linear_panels_avx512_bf16(const LinearJob& job) { multiply_panels<Bf16Pairs>(job); }

}  // namespace lowp::kernels
