#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_nvfp4/implementations.h"
#include "kernels/linear_nvfp4/job_inl.h"

namespace lowp::kernels {
namespace {

// e2m1 * e4m3 has six significant bits: exact in bf16.
void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  decode_weight<NibbleCodes>(from, row, k_begin, k_end, steps);
  alignas(64) float scales[256 / kBlock + kLanes];
  group_scales(from, row, 1, k_begin / kBlock, (k_end - k_begin) / kBlock, scales);
  scale_bf16_steps(steps, k_end - k_begin, kBlock, scales);
}

LinearJob job_of(const LinearNvfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(args, job);
  return job;
}

// Scales are in the steps.
LinearJob scaled_job_of(const LinearNvfp4Args& args) {
  LinearJob job = job_of(args);
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  return job;
}

}  // namespace

void linear_nvfp4_amx(const LinearNvfp4Args& args) { linear_panels_amx(scaled_job_of(args)); }

void linear_nvfp4_avx512_bf16(const LinearNvfp4Args& args) {
  const LinearJob job = job_of(args);
  if (fits_few_rows<NibbleCodes>(job)) {
    multiply_few_rows(job, NibbleCodes(kE2m1Bf16), args.weight);
  } else {
    linear_panels_avx512_bf16(scaled_job_of(args));
  }
}

}  // namespace lowp::kernels
