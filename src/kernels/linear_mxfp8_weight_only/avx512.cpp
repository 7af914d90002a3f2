#include "kernels/linear_common/formats_avx512_inl.h"
#include "kernels/linear_mxfp8_weight_only/implementations.h"
#include "kernels/linear_mxfp8_weight_only/job_inl.h"

namespace lowp::kernels {

void linear_mxfp8_weight_only_avx512(const LinearMxfp8WeightOnlyArgs& args) {
  multiply(job_of<E4m3Codes>(args), E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
