#pragma once

#include "kernels/score_logits/score_logits.h"

namespace lowp::kernels {

void score_logits_avx512(const ScoreLogitsArgs& args);
void score_logits_avx2(const ScoreLogitsArgs& args);
void score_logits_reference(const ScoreLogitsArgs& args);

}  // namespace lowp::kernels
