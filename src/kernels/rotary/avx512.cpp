#include "kernels/linear_common/avx512_vector_inl.h"
// The vectors come first.
#include "kernels/rotary/simd_inl.h"

namespace lowp::kernels {

void rotary_avx512(const RotaryArgs& args) { run_on_vectors(args); }

}  // namespace lowp::kernels
