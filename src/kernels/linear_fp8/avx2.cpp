#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_fp8/implementations.h"
#include "kernels/linear_fp8/job_inl.h"

namespace lowp::kernels {

void linear_fp8_avx2(const LinearFp8Args& args) {
  LinearJob job = job_of<E4m3Codes>(args);
  if (args.weight_dtype == DType::kF8E5M2) {
    set_panel<E5m2Panel>(job, args.weight);
    return linear_panels_avx2(job);
  }
  set_panel<E4m3Panel>(job, args.weight);
  multiply(job, E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
