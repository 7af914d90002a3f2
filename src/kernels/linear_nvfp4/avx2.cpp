#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_common/packed_e2m1_avx2_inl.h"
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
  static const std::uint8_t* codes(const LinearNvfp4Args& args) { return args.weight_block_scale; }
  static void to_fp32(const std::uint8_t* codes, std::int64_t count, float* values) {
    e4m3_scales(codes, count, values);
  }
  static Floats decode_top(Ints codes) {
    return _mm256_castsi256_ps(
        _mm256_and_si256(_mm256_srai_epi32(codes, 4), broadcast(static_cast<int>(0x87F00000))));
  }
  static Ints nan_bytes(Ints codes) {
    const Ints signs = _mm256_set1_epi8(static_cast<char>(0x80));
    return _mm256_cmpeq_epi8(_mm256_or_si256(codes, signs), _mm256_set1_epi8(-1));
  }
};

}  // namespace

void linear_nvfp4_avx2(const LinearNvfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(args, job);
  if (args.packed) return multiply_packed<Scales>(args, job, linear_nvfp4_avx2);
  if (fits_e2m1(job, args.x.dtype)) {
    if (multiply_e2m1<Scales>(job, args.x.dtype, args.weight, args.weight_block_scale)) return;
    if (job.m > 1) return run_each_row(args, linear_nvfp4_avx2);
  }
  set_panel<E2m1Panel>(job, args.weight);
  multiply(job, NibbleCodes(kE2m1Bf16), args.weight);
}

}  // namespace lowp::kernels
