#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_mxfp8/fp32_inl.h"
#include "kernels/linear_mxfp8/implementations.h"

namespace lowp::kernels {

void linear_mxfp8_avx2(const LinearMxfp8Args& args) {
  multiply(job_of<E4m3Codes>(args, decode_x<E4m3Codes>), E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
