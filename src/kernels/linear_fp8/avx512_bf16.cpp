#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_fp8/implementations.h"
#include "kernels/linear_fp8/job_inl.h"

namespace lowp::kernels {

void linear_fp8_amx(const LinearFp8Args& args) { linear_panels_amx(job_of<E4m3Codes>(args)); }

void linear_fp8_avx512_bf16(const LinearFp8Args& args) {
  multiply(job_of<E4m3Codes>(args), E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
