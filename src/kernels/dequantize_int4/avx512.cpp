#include "kernels/runtime/avx512_inl.h"
// The vectors come first.
#include "kernels/dequantize_int4/simd_inl.h"

namespace lowp::kernels {

void dequantize_int4_avx512(const DequantizeInt4Args& args) { dequantize_on_vectors(args); }

}  // namespace lowp::kernels
