#include "kernels/attention_decode/avx512_inl.h"
// The vectors come first.
#include "kernels/attention_decode/simd_inl.h"

namespace lowp::kernels {

void attention_decode_avx512(const AttentionDecodeArgs& args) { run_on_vectors(args); }

}  // namespace lowp::kernels
