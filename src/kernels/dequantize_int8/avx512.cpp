#include "kernels/runtime/avx512_inl.h"
// The vectors come first.
#include "kernels/dequantize_int8/simd_inl.h"

namespace lowp::kernels {

void dequantize_int8_avx512(const DequantizeInt8Args& args) { dequantize_on_vectors(args); }

}  // namespace lowp::kernels
