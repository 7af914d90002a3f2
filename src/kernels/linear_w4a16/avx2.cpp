#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_common/rows_int4_avx2_inl.h"
#include "kernels/linear_w4a16/implementations.h"
#include "kernels/linear_w4a16/job_inl.h"

namespace lowp::kernels {

void linear_w4a16_avx2(const LinearW4A16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = [](const void* from, std::int64_t row, std::int64_t k_begin,
                         std::int64_t k_end, std::int32_t* steps) {
    const auto& args = *static_cast<const LinearW4A16Args*>(from);
    int4_to_steps(args.weight + (row * args.x.cols + k_begin) / 2, k_end - k_begin, steps);
  };
  set_groups(args, job);
  if (fits_int4_rows(job)) {
    const bool bf16 = args.x.dtype == DType::kBF16 && args.out.dtype == DType::kBF16;
    const bool done = bf16 ? multiply_int4_rows<Int4PairSums, 2>(job, args.weight)
                           : multiply_int4_rows<Int4PairSums, 3>(job, args.weight);
    if (done) return;
    if (job.m > 1) return run_each_row(args, linear_w4a16_avx2);
  }
  set_panel<Int4Panel>(job, args.weight);
  multiply(job, NibbleCodes(kInt4Bf16), args.weight);
}

}  // namespace lowp::kernels
