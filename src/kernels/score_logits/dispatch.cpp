#include <array>

#include "kernels/score_logits/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const ScoreLogitsArgs&) { return nullptr; }

constexpr std::array<Implementation<ScoreLogitsArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, never, score_logits_avx512},
    {"avx2", Isa::kAvx2, never, score_logits_avx2},
    {"reference", Isa::kScalar, never, score_logits_reference},
}};

}  // namespace

std::span<const Implementation<ScoreLogitsArgs>> score_logits_implementations() { return kList; }

void score_logits(const ScoreLogitsArgs& args) {
  choose("score_logits", score_logits_implementations(), args).run(args);
}

}  // namespace lowp::kernels
