#include "kernels/runtime/avx512_inl.h"
// The vectors come first.
#include "kernels/dequantize_mx/simd_inl.h"

namespace lowp::kernels {

void dequantize_mx_avx512(const DequantizeMxArgs& args) { dequantize_on_vectors(args); }

}  // namespace lowp::kernels
