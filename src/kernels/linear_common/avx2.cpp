#include "kernels/linear_common/avx2_tile_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_common/panels_inl.h"

namespace lowp::kernels {
namespace {

struct Fp32Elements {
  using Sum = __m256;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = true;
  static constexpr std::int64_t kPerStep = 1;

  static __m256 multiply_add(__m256 sum, __m256i x, __m256i weight) {
    return _mm256_fmadd_ps(_mm256_castsi256_ps(weight), _mm256_castsi256_ps(x), sum);
  }
  static __m256 add_elements(__m256 sum, __m256i x) {
    return _mm256_add_ps(sum, _mm256_castsi256_ps(x));
  }
};

}  // namespace

void linear_panels_avx2(const LinearJob& job) { multiply_panels<Fp32Elements>(job); }

}  // namespace lowp::kernels
