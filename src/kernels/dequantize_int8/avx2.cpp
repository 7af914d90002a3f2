#include "kernels/runtime/avx2_inl.h"
// The vectors come first.
#include "kernels/dequantize_int8/simd_inl.h"

namespace lowp::kernels {

void dequantize_int8_avx2(const DequantizeInt8Args& args) { dequantize_on_vectors(args); }

}  // namespace lowp::kernels
