#include "kernels/linear_common/avx512_vector_inl.h"
// The vectors come first.
#include "kernels/rms_norm/simd_inl.h"

namespace lowp::kernels {

void rms_norm_avx512(const RmsNormArgs& args) { run_on_vectors(args); }

}  // namespace lowp::kernels
