#include "kernels/runtime/avx512_inl.h"
// The vectors come first.
#include "kernels/quantize_mx/simd_inl.h"

namespace lowp::kernels {

void quantize_mx_avx512(const QuantizeMxArgs& args) { quantize_on_vectors(args); }

}  // namespace lowp::kernels
