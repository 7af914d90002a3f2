#include "kernels/linear_common/avx512_tile_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_common/panels_inl.h"

namespace lowp::kernels {
namespace {

struct Fp32Elements {
  using Sum = __m512;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 1;

  static __m512 multiply_add(__m512 sum, __m512i x, __m512i weight) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(weight), _mm512_castsi512_ps(x), sum);
  }
  static __m512 add_elements(__m512 sum, __m512i x) {
    return _mm512_add_ps(sum, _mm512_castsi512_ps(x));
  }
};

}  // namespace

void linear_panels_avx512(const LinearJob& job) { multiply_panels<Fp32Elements>(job); }

}  // namespace lowp::kernels
