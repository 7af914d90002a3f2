#include "kernels/linear_common/avx2_vector_inl.h"
// The vectors come first.
#include "kernels/gated_activation/simd_inl.h"

namespace lowp::kernels {

void gated_activation_avx2(const GatedActivationArgs& args) { run_on_vectors(args); }

}  // namespace lowp::kernels
