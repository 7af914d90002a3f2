#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_mxfp8_weight_only/implementations.h"
#include "kernels/linear_mxfp8_weight_only/job_inl.h"

namespace lowp::kernels {

void linear_mxfp8_weight_only_avx2(const LinearMxfp8WeightOnlyArgs& args) {
  LinearJob job = job_of<E4m3Codes>(args);
  set_panel<E4m3Panel>(job, args.weight);
  multiply(job, E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
