#include "kernels/linear_bf16/implementations.h"
#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/panel_codes_avx512_inl.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearBf16Args*>(from);
  copy_bf16(args.weight + row * args.x.cols, k_begin, k_end, steps);
}

LinearJob job_of(const LinearBf16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  return job;
}

}  // namespace

void linear_bf16_amx(const LinearBf16Args& args) {
  LinearJob job = job_of(args);
  set_amx_panel<StepPanel<2>>(job, args.weight);
  linear_panels_amx(job);
}

void linear_bf16_avx512_bf16(const LinearBf16Args& args) {
  multiply(job_of(args), Bf16Codes{}, args.weight);
}

}  // namespace lowp::kernels
