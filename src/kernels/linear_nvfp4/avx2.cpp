#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_nvfp4/implementations.h"
#include "kernels/linear_nvfp4/job_inl.h"

namespace lowp::kernels {

void linear_nvfp4_avx2(const LinearNvfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(args, job);
  multiply(job, NibbleCodes(kE2m1Bf16), args.weight);
}

}  // namespace lowp::kernels
