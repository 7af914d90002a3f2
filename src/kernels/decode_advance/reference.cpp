#include <algorithm>
#include <cmath>

#include "kernels/decode_advance/decode_advance.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

std::int64_t choose(const Matrix& logits) {
  std::int64_t best = 0;
  for (std::int64_t i = 0; i < logits.cols; ++i) {
    const float value = load_element(logits, 0, i);
    if (std::isnan(value)) return -1;
    if (value > load_element(logits, 0, best)) best = i;
  }
  return best;
}

}  // namespace

void decode_advance(const DecodeAdvanceArgs& args) {
  using namespace decode_state;
  const std::int64_t chosen = choose(args.logits);
  args.state[kChosen] = chosen;
  args.state[kToken] = std::max<std::int64_t>(chosen, 0);
  const std::int64_t end = ++args.state[kPosition] + 1;
  args.state[kKeys + 1] = end;
  args.state[kSlidingKeys] =
      args.sliding_window > 0 ? std::max<std::int64_t>(end - args.sliding_window, 0) : 0;
  args.state[kSlidingKeys + 1] = end;
}

}  // namespace lowp::kernels
