#include "kernels/attention_decode/avx2_inl.h"
// The vectors come first.
#include "kernels/attention_decode/simd_inl.h"

namespace lowp::kernels {

void attention_decode_avx2(const AttentionDecodeArgs& args) { run_on_vectors(args); }

}  // namespace lowp::kernels
