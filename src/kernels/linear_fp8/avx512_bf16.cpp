#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/panel_codes_avx512_inl.h"
#include "kernels/linear_fp8/implementations.h"
#include "kernels/linear_fp8/job_inl.h"

namespace lowp::kernels {

void linear_fp8_amx(const LinearFp8Args& args) {
  LinearJob job = job_of<E4m3Codes>(args);
  if (args.weight_dtype == DType::kF8E4M3) {
    set_amx_panel<E4m3Panel>(job, args.weight);
  } else {
    set_amx_panel<E5m2Panel>(job, args.weight);
  }
  linear_panels_amx(job);
}

void linear_fp8_avx512_bf16(const LinearFp8Args& args) {
  const LinearJob job = job_of<E4m3Codes>(args);
  if (args.weight_dtype == DType::kF8E5M2) return linear_panels_avx512_bf16(job);
  multiply(job, E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
