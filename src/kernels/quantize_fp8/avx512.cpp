#include "kernels/runtime/avx512_inl.h"
// The vectors come first.
#include "kernels/quantize_fp8/simd_inl.h"

namespace lowp::kernels {

void quantize_fp8_avx512(const QuantizeFp8Args& args) { quantize_on_vectors(args); }

}  // namespace lowp::kernels
