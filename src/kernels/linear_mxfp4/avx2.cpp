#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_mxfp4/implementations.h"
#include "kernels/linear_mxfp4/job_inl.h"

namespace lowp::kernels {

void linear_mxfp4_avx2(const LinearMxfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(job);
  multiply(job, NibbleCodes(kE2m1Bf16), args.weight);
}

}  // namespace lowp::kernels
