#pragma once

#include <cstdint>

#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

// Where a decoding loop is, in the memory of the device that decodes: int64 by these places. A
// query at `position` sees the keys from first_key to end - 1; sliding layers have their own range.
namespace decode_state {
inline constexpr int kToken = 0;     // the step's input
inline constexpr int kPosition = 1;  // its position
inline constexpr int kKeys = 2;      // first_key, end
inline constexpr int kSlidingKeys = 4;
inline constexpr int kChosen = 6;  // of the last step's logits: the largest; -1 if one is NaN
inline constexpr int kSize = 7;
}  // namespace decode_state

// The end of a greedy step: the token with the largest logit, of equal ones the first, becomes the
// next step's input (token 0 if a logit is NaN), and position and ranges move on by one.
struct DecodeAdvanceArgs {
  Matrix logits;                // (1, V)
  std::int64_t sliding_window;  // 0: sliding layers see everything
  std::int64_t* state;          // decode_state
};

void decode_advance(const DecodeAdvanceArgs& args);

}  // namespace lowp::kernels
