#include "kernels/runtime/avx512_inl.h"
// The vectors come first.
#include "kernels/dequantize_intx/simd_inl.h"

namespace lowp::kernels {

void dequantize_intx_avx512(const DequantizeIntxArgs& args) { dequantize_on_vectors(args); }

}  // namespace lowp::kernels
