// vpmaddubsw adds the products of pairs in int16, which holds those of unsigned nibbles eight times
// over; that is twice as many products an instruction as linear_w8a8 has.
#include "kernels/linear_w4a8/avx2_inl.h"
// The vectors come first.
#include "kernels/linear_common/byte_pairs_avx2_inl.h"

namespace lowp::kernels {
namespace {

struct NibbleRows : Avx2Rows {
  static Int32s add_products(Int32s sum, Ints even, Ints x_even, Ints odd, Ints x_odd) {
    const Ints words =
        _mm256_add_epi16(_mm256_maddubs_epi16(even, x_even), _mm256_maddubs_epi16(odd, x_odd));
    return reinterpret_cast<Int32s>(
        add(reinterpret_cast<Ints>(sum), _mm256_madd_epi16(words, _mm256_set1_epi16(1))));
  }
};

}  // namespace

void linear_w4a8_avx2(const LinearW4A8Args& args) {
  multiply<BytePairs<4>, Int4PairSums, NibbleRows>(args);
}

}  // namespace lowp::kernels
