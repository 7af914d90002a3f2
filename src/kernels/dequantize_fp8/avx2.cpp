#include "kernels/runtime/avx2_inl.h"
// The vectors come first.
#include "kernels/dequantize_fp8/simd_inl.h"

namespace lowp::kernels {

void dequantize_fp8_avx2(const DequantizeFp8Args& args) { dequantize_on_vectors(args); }

}  // namespace lowp::kernels
