#include "kernels/runtime/avx512_inl.h"
// The vectors come first.
#include "kernels/quantize_nvfp4/simd_inl.h"

namespace lowp::kernels {

void quantize_nvfp4_avx512(const QuantizeNvfp4Args& args) { quantize_on_vectors(args); }

}  // namespace lowp::kernels
