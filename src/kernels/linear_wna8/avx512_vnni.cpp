// vpdpbusd takes the weight, whose stored codes are not negative, as its unsigned side.
#include "kernels/linear_common/panels.h"
#include "kernels/linear_wna8/avx512_inl.h"

namespace lowp::kernels {
namespace {

struct IntxQuads {
  using Sum = Int32s;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 4;

  static Sum multiply_add(Sum sum, Ints x, Ints weight) {
    return IntxVnni::multiply_add(sum, weight, x);
  }
  static Floats add_elements(Floats sum, Ints x) {
    return add(sum, to_floats(reinterpret_cast<Ints>(IntxVnni::sum_of_bytes(x))));
  }
};

}  // namespace

void linear_wna8_amx(const LinearWnA8Args& args) {
  LinearJob job = panels_of(args);
  job.decode_weight = decode_weight<true>;
  job.group_offsets = args.zero_point == nullptr ? nullptr : group_offsets<false>;
  linear_panels_amx_int8_groups(job);
}

void linear_wna8_avx512_vnni(const LinearWnA8Args& args) {
  const LinearJob job = job_of(args);
  if (fits_intx_rows(job)) return multiply_few_rows<IntxVnni>(args, job);
  multiply_panels<IntxQuads>(panels_of(args));
}

}  // namespace lowp::kernels
