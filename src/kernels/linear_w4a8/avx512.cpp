// Without VNNI: as avx2.cpp, in int16 for eight steps.
#include "kernels/linear_w4a8/avx512_inl.h"

namespace lowp::kernels {
namespace {

using Int16s = std::int16_t __attribute__((vector_size(64)));

Ints sums_of_pairs(Ints words) { return _mm512_madd_epi16(words, _mm512_set1_epi16(1)); }

struct NibblePairs {
  using Sum = Int32s;
  using Narrow = Int16s;
  static constexpr std::int64_t kNarrowSteps = 8;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 4;

  static Narrow multiply_add(Narrow sum, Ints x, Ints weight) {
    return reinterpret_cast<Narrow>(
        _mm512_add_epi16(reinterpret_cast<Ints>(sum), _mm512_maddubs_epi16(weight, x)));
  }
  static Sum widen(Sum sum, Narrow narrow) {
    return reinterpret_cast<Sum>(
        add(reinterpret_cast<Ints>(sum), sums_of_pairs(reinterpret_cast<Ints>(narrow))));
  }
  static Floats add_elements(Floats sum, Ints x) {
    return add(sum, to_floats(sums_of_pairs(_mm512_maddubs_epi16(_mm512_set1_epi8(1), x))));
  }
};

struct NibbleRows : Avx512Rows {
  static Int32s add_products(Int32s sum, Ints even, Ints x_even, Ints odd, Ints x_odd) {
    const Ints words =
        _mm512_add_epi16(_mm512_maddubs_epi16(even, x_even), _mm512_maddubs_epi16(odd, x_odd));
    return reinterpret_cast<Int32s>(add(reinterpret_cast<Ints>(sum), sums_of_pairs(words)));
  }
};

}  // namespace

void linear_w4a8_avx512(const LinearW4A8Args& args) { multiply<NibblePairs, NibbleRows>(args); }

}  // namespace lowp::kernels
