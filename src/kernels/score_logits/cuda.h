#pragma once

#include "kernels/score_logits/score_logits.h"

namespace lowp::kernels {

// score_logits on the GPU: the arguments' pointers are the device's, `parallel` is not used. A
// target out of range makes its negative log-likelihood NaN: nothing on the host sees targets.
// Returns nullptr, or the CUDA error's text.
const char* score_logits_cuda(const ScoreLogitsArgs& args, void* stream);

}  // namespace lowp::kernels
