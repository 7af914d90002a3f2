#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_fp8/implementations.h"
#include "kernels/linear_fp8/job_inl.h"

namespace lowp::kernels {

void linear_fp8_avx2(const LinearFp8Args& args) {
  multiply(job_of<E4m3Codes>(args), E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
