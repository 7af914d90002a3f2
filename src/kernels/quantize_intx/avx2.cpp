#include "kernels/runtime/avx2_inl.h"
// The vectors come first.
#include "kernels/quantize_intx/simd_inl.h"

namespace lowp::kernels {

void quantize_intx_avx2(const QuantizeIntxArgs& args) { quantize_on_vectors(args); }

}  // namespace lowp::kernels
