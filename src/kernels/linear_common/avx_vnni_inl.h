// What level avx_vnni adds to avx2's: vpdpbusd, four products of bytes a lane.
#pragma once

#include "kernels/linear_common/avx2_vector_inl.h"

namespace lowp::kernels {
namespace {

inline Int32s dot(Int32s sum, Ints unsigned_bytes, Ints signed_bytes) {
  return reinterpret_cast<Int32s>(
      _mm256_dpbusd_avx_epi32(reinterpret_cast<Ints>(sum), unsigned_bytes, signed_bytes));
}

// The multiplier of panels_inl.h for unsigned codes of a weight in groups times int8 activations.
struct ByteQuads {
  using Sum = Int32s;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 4;

  static Sum multiply_add(Sum sum, Ints x, Ints weight) { return dot(sum, weight, x); }
  static Floats add_elements(Floats sum, Ints x) {
    return add(sum, to_floats(reinterpret_cast<Ints>(dot(Int32s{}, _mm256_set1_epi8(1), x))));
  }
};

}  // namespace
}  // namespace lowp::kernels
