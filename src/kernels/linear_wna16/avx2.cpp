#include "kernels/linear_common/decode_avx2_inl.h"
#include "kernels/linear_common/fp32_job_inl.h"
#include "kernels/linear_common/intx_avx2_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_wna16/implementations.h"
// The level comes first.
#include "kernels/linear_wna16/job_inl.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearWnA16Args*>(from);
  with_bits(args.bits, [&]<int kBits>(std::integral_constant<int, kBits>) {
    for_each_intx_vector<kBits>(args.weight, args.out.cols, args.x.cols, row, k_begin, k_end,
                                offset_of(args), [steps](std::int64_t i, Ints bytes) {
                                  alignas(32) std::int8_t codes[32];
                                  store_ints(codes, bytes);
                                  int8_to_steps(codes, 32, steps + i);
                                });
  });
}

void multiply_many_rows(const LinearWnA16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  set_panel_groups(args, job);
  linear_panels_avx2(job);
}

}  // namespace

void linear_wna16_avx2(const LinearWnA16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.group = args.group_size;
  if (!fits_intx_rows(job)) return multiply_many_rows(args);
  if (args.x.dtype == DType::kBF16 && args.out.dtype == DType::kBF16) {
    multiply_few_rows<IntxAvx2, 2>(args, job, multiply_many_rows);
  } else {
    multiply_few_rows<IntxAvx2, 3>(args, job, multiply_many_rows);
  }
}

}  // namespace lowp::kernels
