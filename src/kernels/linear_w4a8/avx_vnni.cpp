// vpdpbusd takes the weight, which is not negative once it has its offset, as its unsigned side.
#include "kernels/linear_w4a8/avx2_inl.h"
// The vectors come first.
#include "kernels/linear_common/rows_int4_avx_vnni_inl.h"
// The dot comes first.
#include "kernels/linear_common/byte_quads_inl.h"

namespace lowp::kernels {
namespace {

struct NibbleRows : Avx2Rows {
  static Int32s add_products(Int32s sum, Ints even, Ints x_even, Ints odd, Ints x_odd) {
    return dot(dot(sum, even, x_even), odd, x_odd);
  }
};

}  // namespace

void linear_w4a8_avx_vnni(const LinearW4A8Args& args) {
  multiply<ByteQuads, Int4QuadSums, NibbleRows>(args);
}

}  // namespace lowp::kernels
