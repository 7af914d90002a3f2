#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_mxfp8/fp32_inl.h"
#include "kernels/linear_mxfp8/implementations.h"

namespace lowp::kernels {

void linear_mxfp8_avx2(const LinearMxfp8Args& args) {
  LinearJob job = job_of<E4m3Codes>(args, decode_x<E4m3Codes>);
  set_panel<E4m3Panel>(job, args.weight);
  multiply(job, E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
