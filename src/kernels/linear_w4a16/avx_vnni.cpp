// Few rows of x in fixed point, as avx2.cpp, with this level's products of bytes. What does not fit
// is left to that.
#include "kernels/linear_common/decode_avx2_inl.h"
#include "kernels/linear_common/fp32_job_inl.h"
#include "kernels/linear_common/rows_int4_avx_vnni_inl.h"
#include "kernels/linear_w4a16/implementations.h"
// The level comes first.
#include "kernels/linear_w4a16/job_inl.h"

namespace lowp::kernels {

void linear_w4a16_avx_vnni(const LinearW4A16Args& args) {
  LinearJob job = job_of_matrix(args);
  set_groups(args, job);
  if (!fits_int4_rows(job)) return linear_w4a16_avx2(args);
  const bool bf16 = args.x.dtype == DType::kBF16 && args.out.dtype == DType::kBF16;
  const bool done = bf16 ? multiply_int4_rows<Int4QuadSums, 2>(job, args.weight)
                         : multiply_int4_rows<Int4QuadSums, 3>(job, args.weight);
  if (done) return;
  if (job.m > 1) return run_each_row(args, linear_w4a16_avx_vnni);
  linear_w4a16_avx2(args);
}

}  // namespace lowp::kernels
