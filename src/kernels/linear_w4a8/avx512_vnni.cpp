// vpdpbusd takes the weight, which is not negative once it has its offset, as its unsigned side.
#include "kernels/linear_common/panels.h"
#include "kernels/linear_w4a8/avx512_inl.h"

namespace lowp::kernels {
namespace {

Int32s dot(Int32s sum, Ints weight, Ints x) {
  return reinterpret_cast<Int32s>(_mm512_dpbusd_epi32(reinterpret_cast<Ints>(sum), weight, x));
}

struct NibbleQuads {
  using Sum = Int32s;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 4;

  static Sum multiply_add(Sum sum, Ints x, Ints weight) { return dot(sum, weight, x); }
  static Floats add_elements(Floats sum, Ints x) {
    const Int32s sums = dot(Int32s{}, _mm512_set1_epi8(1), x);
    return add(sum, to_floats(reinterpret_cast<Ints>(sums)));
  }
};

struct NibbleRows : Avx512Rows {
  static Int32s add_products(Int32s sum, Ints even, Ints x_even, Ints odd, Ints x_odd) {
    return dot(dot(sum, even, x_even), odd, x_odd);
  }
};

}  // namespace

// Signed codes of the weight, without an offset.
void linear_w4a8_amx(const LinearW4A8Args& args) {
  LinearJob job = job_of(args);
  job.decode_weight = decode_weight<0>;
  job.decode_x = decode_x;
  job.group_offsets = args.zero_point == nullptr ? nullptr : group_offsets<0>;
  linear_panels_amx_int8_groups(job);
}

void linear_w4a8_avx512_vnni(const LinearW4A8Args& args) {
  multiply<NibbleQuads, NibbleRows>(args);
}

}  // namespace lowp::kernels
