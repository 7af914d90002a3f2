// The Sums of rows_int4_avx2_inl.h for level avx_vnni: int32 from the start. 64 codes, a group, are
// 8, 12 or 16 operations.
#pragma once

#include "kernels/linear_common/avx_vnni_inl.h"
#include "kernels/linear_common/rows_int4_avx2_inl.h"

namespace lowp::kernels {
namespace {

template <int kDigits>
struct Int4QuadSums {
  Int32s sums[kDigits] = {};

  explicit Int4QuadSums(Ints offsets) { sums[0] = reinterpret_cast<Int32s>(offsets); }

  [[gnu::always_inline]] void add_products(bool /*first*/, int d, Ints low, Ints even, Ints high,
                                           Ints odd) {
    sums[d] = dot(dot(sums[d], low, even), high, odd);
  }

  [[gnu::always_inline]] Ints total() const {
    Int32s sum = sums[0];
#pragma GCC unroll 3
    for (int d = 1; d < kDigits; ++d) sum += sums[d] << (d * DigitFormat<kDigits>::kBits);
    return reinterpret_cast<Ints>(sum);
  }
};

}  // namespace
}  // namespace lowp::kernels
