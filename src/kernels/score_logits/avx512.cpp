#include "kernels/linear_common/avx512_vector_inl.h"
// The vectors come first.
#include "kernels/score_logits/simd_inl.h"

namespace lowp::kernels {

void score_logits_avx512(const ScoreLogitsArgs& args) { run_on_vectors(args); }

}  // namespace lowp::kernels
