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

}  // namespace

void linear_nvfp4_avx512_bf16(const LinearNvfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(args, job);
  if (fits_few_rows<NibbleCodes>(job)) {
    multiply_few_rows(job, NibbleCodes(kE2m1Bf16), args.weight);
    return;
  }
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  linear_panels_avx512_bf16(job);
}

}  // namespace lowp::kernels
