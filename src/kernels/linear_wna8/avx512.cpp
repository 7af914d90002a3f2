// Without VNNI: as avx2.cpp, in int16 for some steps.
#include "kernels/linear_wna8/avx512_inl.h"

namespace lowp::kernels {
namespace {

template <int kBits>
struct IntxPairs {
  using Sum = Int32s;
  using Narrow = IntxAvx512::Narrow;
  static constexpr std::int64_t kNarrowSteps = IntxAvx512::kNarrowSteps<kBits>;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 4;

  static Narrow multiply_add(Narrow sum, Ints x, Ints weight) {
    return IntxAvx512::multiply_add(sum, weight, x);
  }
  static Sum widen(Sum sum, Narrow narrow) { return IntxAvx512::widen(sum, narrow); }
  static Floats add_elements(Floats sum, Ints x) {
    return add(sum, to_floats(reinterpret_cast<Ints>(IntxAvx512::sum_of_bytes(x))));
  }
};

}  // namespace

void linear_wna8_avx512(const LinearWnA8Args& args) {
  const LinearJob job = job_of(args);
  if (fits_intx_rows(job)) return multiply_few_rows<IntxAvx512>(args, job);
  const LinearJob panels = panels_of(args);
  // Fewer bits than four gain nothing: a tile's steps are not many more.
  if (args.bits <= 4) return multiply_panels<IntxPairs<4>>(panels);
  if (args.bits == 5) return multiply_panels<IntxPairs<5>>(panels);
  if (args.bits == 6) return multiply_panels<IntxPairs<6>>(panels);
  multiply_panels<IntxPairs<7>>(panels);
}

}  // namespace lowp::kernels
