// The multiplier of panels_inl.h for unsigned codes of the weight times int8 activations:
// vpmaddubsw adds the products of pairs in int16. For files of level avx2.
#pragma once

// The vectors come first.
#include "kernels/linear_common/intx_avx2_inl.h"

namespace lowp::kernels {
namespace {

// Sums of 16 bits hold the fewer steps the more bits the weight has.
template <int kBits>
struct BytePairs {
  using Sum = Int32s;
  using Narrow = IntxAvx2::Narrow;
  static constexpr std::int64_t kNarrowSteps = IntxAvx2::kNarrowSteps<kBits>;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 4;
  static constexpr std::int64_t kTileRows = 4;

  static Narrow multiply(Ints x, Ints weight) {
    return reinterpret_cast<Narrow>(_mm256_maddubs_epi16(weight, x));
  }
  static Narrow multiply_add(Narrow sum, Ints x, Ints weight) {
    return add_in_register(sum, _mm256_maddubs_epi16(weight, x));
  }
  static Sum widen(Sum sum, Narrow narrow) { return IntxAvx2::widen(sum, narrow); }
  static Floats add_elements(Floats sum, Ints x) {
    return add(sum, to_floats(reinterpret_cast<Ints>(IntxAvx2::sum_of_bytes(x))));
  }
};

}  // namespace
}  // namespace lowp::kernels
