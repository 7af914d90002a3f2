// vpdpbusd takes the weight, whose stored codes are not negative, as its unsigned side.
#include "kernels/linear_wna8/avx2_inl.h"
// The vectors come first.
#include "kernels/linear_common/intx_avx_vnni_inl.h"
// The dot comes first.
#include "kernels/linear_common/byte_quads_inl.h"

namespace lowp::kernels {

void linear_wna8_avx_vnni(const LinearWnA8Args& args) {
  const LinearJob job = job_of(args);
  if (fits_intx_rows(job)) return multiply_few_rows<IntxAvxVnni>(args, job);
  multiply_panels<ByteQuads>(panels_of(args));
}

}  // namespace lowp::kernels
