#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_mxfp4/implementations.h"
#include "kernels/linear_mxfp4/job_inl.h"

namespace lowp::kernels {
namespace {

// The block's scale is exact in bf16 with the code, but for the ends of e8m0's range.
void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  decode_weight<NibbleCodes>(from, row, k_begin, k_end, steps);
  alignas(64) float scales[256 / kBlock + kLanes];
  group_scales(from, row, 1, k_begin / kBlock, (k_end - k_begin) / kBlock, scales);
  scale_bf16_steps(steps, k_end - k_begin, kBlock, scales);
}

LinearJob job_of(const LinearMxfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(job);
  return job;
}

// Scales are in the steps.
LinearJob scaled_job_of(const LinearMxfp4Args& args) {
  LinearJob job = job_of(args);
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  return job;
}

}  // namespace

void linear_mxfp4_amx(const LinearMxfp4Args& args) { linear_panels_amx(scaled_job_of(args)); }

void linear_mxfp4_avx512_bf16(const LinearMxfp4Args& args) {
  const LinearJob job = job_of(args);
  if (fits_few_rows<NibbleCodes>(job)) {
    multiply_few_rows(job, NibbleCodes(kE2m1Bf16), args.weight);
  } else {
    linear_panels_avx512_bf16(scaled_job_of(args));
  }
}

}  // namespace lowp::kernels
