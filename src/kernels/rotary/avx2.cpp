#include "kernels/linear_common/avx2_vector_inl.h"
// The vectors come first.
#include "kernels/rotary/simd_inl.h"

namespace lowp::kernels {

void rotary_avx2(const RotaryArgs& args) { run_on_vectors(args); }

}  // namespace lowp::kernels
