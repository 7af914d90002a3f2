#include "kernels/runtime/avx2_inl.h"
// The vectors come first.
#include "kernels/dequantize_mx/simd_inl.h"

namespace lowp::kernels {

void dequantize_mx_avx2(const DequantizeMxArgs& args) { dequantize_on_vectors(args); }

}  // namespace lowp::kernels
