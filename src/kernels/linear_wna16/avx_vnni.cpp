// Few rows of x in fixed point, as avx2.cpp, with this level's products of bytes. What does not fit
// is left to that.
#include "kernels/linear_common/decode_avx2_inl.h"
#include "kernels/linear_common/fp32_job_inl.h"
#include "kernels/linear_common/intx_avx_vnni_inl.h"
#include "kernels/linear_wna16/implementations.h"
// The level comes first.
#include "kernels/linear_wna16/job_inl.h"

namespace lowp::kernels {

void linear_wna16_avx_vnni(const LinearWnA16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.group = args.group_size;
  if (!fits_intx_rows(job)) return linear_wna16_avx2(args);
  if (args.x.dtype == DType::kBF16 && args.out.dtype == DType::kBF16) {
    multiply_few_rows<IntxAvxVnni, 2>(args, job, linear_wna16_avx2);
  } else {
    multiply_few_rows<IntxAvxVnni, 3>(args, job, linear_wna16_avx2);
  }
}

}  // namespace lowp::kernels
