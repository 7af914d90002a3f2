// vpdpbusd takes the weight, whose stored codes are not negative, as its unsigned side.
#include "kernels/linear_common/panel_codes_avx512_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_wna8/avx512_inl.h"
// The vectors come first.
#include "kernels/linear_common/intx_avx512_vnni_inl.h"
// The dot comes first.
#include "kernels/linear_common/byte_quads_inl.h"

namespace lowp::kernels {
namespace {

template <int kCodeBits>
struct IntxPanel : StepPanel<4> {
  static constexpr std::int64_t kBits = kCodeBits;
  static constexpr std::int64_t kChunkBytes = 8 * kCodeBits;
  IntxWindows<kCodeBits> windows;
  using StepPanel<4>::StepPanel;

  Ints row(const std::uint8_t* codes) const {
    const Ints stored = windows.decode(_mm512_maskz_loadu_epi8(first_64_lanes(kChunkBytes), codes));
    return _mm512_sub_epi8(stored, _mm512_set1_epi8(1 << (kCodeBits - 1)));
  }
};

}  // namespace

void linear_wna8_amx(const LinearWnA8Args& args) {
  LinearJob job = panels_of(args);
  job.decode_weight = decode_weight<true>;
  job.group_offsets = args.zero_point == nullptr ? nullptr : group_offsets<false>;
  with_bits(args.bits, [&]<int kBits>(std::integral_constant<int, kBits>) {
    set_amx_panel<IntxPanel<kBits>>(job, args.weight);
  });
  linear_panels_amx_int8_groups(job);
}

void linear_wna8_avx512_vnni(const LinearWnA8Args& args) {
  const LinearJob job = job_of(args);
  if (fits_intx_rows(job)) return multiply_few_rows<IntxAvx512Vnni>(args, job);
  multiply_panels<ByteQuads>(panels_of(args));
}

}  // namespace lowp::kernels
