#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_common/group_parameters_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_common/rows_e2m1_avx2_inl.h"
#include "kernels/linear_nvfp4/implementations.h"
#include "kernels/linear_nvfp4/job_inl.h"

namespace lowp::kernels {
namespace {

struct Scales {
  static constexpr std::int64_t kGroup = kBlock;
  static constexpr int kPower = 120;
  static constexpr int kUnitPower = 90;
  static constexpr int kSmallest = -60;
  static constexpr int kLargest = 25;
  // As e4m3_to_fp32, whose factor is the power.
  static Ints decode(Ints codes) {
    const Ints bits = _mm256_srai_epi16(_mm256_slli_epi16(codes, 8), 4);
    return _mm256_and_si256(bits, _mm256_set1_epi16(static_cast<short>(0x87F0)));
  }
  static Ints nan(Ints codes) {
    const Ints magnitudes = _mm256_and_si256(codes, _mm256_set1_epi16(0x7F));
    return _mm256_cmpeq_epi16(magnitudes, _mm256_set1_epi16(0x7F));
  }
};

}  // namespace

void linear_nvfp4_avx2(const LinearNvfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(args, job);
  if (fits_e2m1(job, args.x.dtype)) {
    if (multiply_e2m1<Scales>(job, args.x.dtype, args.weight, args.weight_block_scale)) return;
    if (job.m > 1) return run_each_row(args, linear_nvfp4_avx2);
  }
  set_panel<E2m1Panel>(job, args.weight);
  multiply(job, NibbleCodes(kE2m1Bf16), args.weight);
}

}  // namespace lowp::kernels
