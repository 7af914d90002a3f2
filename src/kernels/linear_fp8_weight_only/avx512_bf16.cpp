#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/panel_codes_avx512_inl.h"
#include "kernels/linear_fp8_weight_only/implementations.h"
#include "kernels/linear_fp8_weight_only/job_inl.h"

namespace lowp::kernels {

void linear_fp8_weight_only_amx(const LinearFp8WeightOnlyArgs& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<E4m3Codes>(args, job);
  set_amx_panel<E4m3Panel>(job, args.weight);
  linear_panels_amx(job);
}

void linear_fp8_weight_only_avx512_bf16(const LinearFp8WeightOnlyArgs& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<E4m3Codes>(args, job);
  multiply(job, E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
