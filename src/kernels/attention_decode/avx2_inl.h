// What simd_inl.h needs beyond avx2_vector_inl.h.
#pragma once

#include "kernels/linear_common/avx2_vector_inl.h"

namespace lowp::kernels {
namespace {

// Vectors of a value whose sums are registers at once: 8 sums or 12.
template <int kHeads>
constexpr int kValueVectors = kHeads == 1 ? 8 : (kHeads < 4 ? 4 : 2);

// Lane i of the result is the sum of all lanes of v[i].
inline Floats sum_each(const Floats* v) {
  const auto quad = [](const Floats* a) {
    return _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
  };
  const Floats low = quad(v), high = quad(v + 4);
  return add(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}

}  // namespace
}  // namespace lowp::kernels
