#pragma once

#include "kernels/rotary/rotary.h"

namespace lowp::kernels {

// rotary on the GPU: the arguments' pointers are the device's, `parallel` is not used. With
// `position`, on the device too, the first token's position is read there when the kernel runs: cos
// and sin are then tables of `room` positions, k_out and v_out begin at position 0, and a token
// beyond the room is left out.
struct RotaryCuda {
  RotaryArgs args;
  const std::int64_t* position;  // (1), or nullptr
  std::int64_t room;             // of position alone
  void* stream;                  // cudaStream_t
};

// Returns nullptr, or the CUDA error's text.
const char* rotary_cuda(const RotaryCuda& call);

}  // namespace lowp::kernels
