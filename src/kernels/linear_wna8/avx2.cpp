#include "kernels/linear_wna8/avx2_inl.h"
// The vectors come first.
#include "kernels/linear_common/byte_pairs_avx2_inl.h"

namespace lowp::kernels {

void linear_wna8_avx2(const LinearWnA8Args& args) {
  const LinearJob job = job_of(args);
  if (fits_intx_rows(job)) return multiply_few_rows<IntxAvx2>(args, job);
  const LinearJob panels = panels_of(args);
  // Fewer bits than four gain nothing: a tile's steps are not many more.
  if (args.bits <= 4) return multiply_panels<BytePairs<4>>(panels);
  if (args.bits == 5) return multiply_panels<BytePairs<5>>(panels);
  if (args.bits == 6) return multiply_panels<BytePairs<6>>(panels);
  multiply_panels<BytePairs<7>>(panels);
}

}  // namespace lowp::kernels
