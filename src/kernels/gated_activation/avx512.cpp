#include "kernels/linear_common/avx512_vector_inl.h"
// The vectors come first.
#include "kernels/gated_activation/simd_inl.h"

namespace lowp::kernels {

void gated_activation_avx512(const GatedActivationArgs& args) { run_on_vectors(args); }

}  // namespace lowp::kernels
