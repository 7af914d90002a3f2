#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_common/packed_e2m1_avx2_inl.h"
#include "kernels/linear_mxfp4/implementations.h"
#include "kernels/linear_mxfp4/job_inl.h"

namespace lowp::kernels {
namespace {

struct Scales {
  static constexpr std::int64_t kGroup = kBlock;
  static constexpr int kPower = 0;
  static constexpr int kUnitPower = 0;
  static constexpr int kSmallest = -100;
  static constexpr int kLargest = 100;
  // Code 0 is the subnormal 2^-127.
  static Ints decode(Ints codes) {
    return _mm256_max_epi16(_mm256_slli_epi16(codes, 7), _mm256_set1_epi16(0x0040));
  }
  static Ints nan(Ints codes) { return _mm256_cmpeq_epi16(codes, _mm256_set1_epi16(255)); }
  static const std::uint8_t* codes(const LinearMxfp4Args& args) { return args.weight_scale; }
  static void to_fp32(const std::uint8_t* codes, std::int64_t count, float* values) {
    e8m0_scales(codes, count, values);
  }
  static Floats decode_top(Ints codes) {
    return _mm256_castsi256_ps(
        _mm256_max_epi32(_mm256_srli_epi32(codes, 1), broadcast(0x00400000)));
  }
  static Ints nan_bytes(Ints codes) { return _mm256_cmpeq_epi8(codes, _mm256_set1_epi8(-1)); }
};

}  // namespace

void linear_mxfp4_avx2(const LinearMxfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(job);
  if (args.packed) return multiply_packed<Scales>(args, job, linear_mxfp4_avx2);
  if (fits_e2m1(job, args.x.dtype)) {
    if (multiply_e2m1<Scales>(job, args.x.dtype, args.weight, args.weight_scale)) return;
    if (job.m > 1) return run_each_row(args, linear_mxfp4_avx2);
  }
  set_panel<E2m1Panel>(job, args.weight);
  multiply(job, NibbleCodes(kE2m1Bf16), args.weight);
}

}  // namespace lowp::kernels
