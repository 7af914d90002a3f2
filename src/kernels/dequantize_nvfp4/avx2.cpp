#include "kernels/runtime/avx2_inl.h"
// The vectors come first.
#include "kernels/dequantize_nvfp4/simd_inl.h"

namespace lowp::kernels {

void dequantize_nvfp4_avx2(const DequantizeNvfp4Args& args) { dequantize_on_vectors(args); }

}  // namespace lowp::kernels
