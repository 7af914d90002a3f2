#include "kernels/runtime/avx512_inl.h"
// The vectors come first.
#include "kernels/quantize_int4/simd_inl.h"

namespace lowp::kernels {

void quantize_int4_avx512(const QuantizeInt4Args& args) { quantize_on_vectors(args); }

}  // namespace lowp::kernels
