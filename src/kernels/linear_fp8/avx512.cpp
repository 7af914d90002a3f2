#include "kernels/linear_common/formats_avx512_inl.h"
#include "kernels/linear_fp8/implementations.h"
#include "kernels/linear_fp8/job_inl.h"

namespace lowp::kernels {

void linear_fp8_avx512(const LinearFp8Args& args) {
  const LinearJob job = job_of<E4m3Codes>(args);
  if (args.weight_dtype == DType::kF8E5M2) return linear_panels_avx512(job);
  multiply(job, E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
