#include "kernels/runtime/avx512_inl.h"
// The vectors come first.
#include "kernels/quantize_int8/simd_inl.h"

namespace lowp::kernels {

void quantize_int8_avx512(const QuantizeInt8Args& args) { quantize_on_vectors(args); }

}  // namespace lowp::kernels
