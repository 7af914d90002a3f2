// Packed weights (docs/cpu.md): the layout in which AVX2 kernels have a row of the weight in each
// lane. A packed state is one whose codes have four dimensions.
#pragma once

#include "nn/quantized_state.h"

namespace lowp::nn {

inline bool is_packed(const QuantizedState& state) { return state.codes.dim() == 4; }

// Weight-only MXFP4 and NVFP4 on the CPU, with rows a multiple of 8.
bool can_pack(const QuantizedState& state);

// Codes and scale of a state that can be packed, and the plain ones of any state.
struct PackedTensors {
  torch::Tensor codes;
  torch::Tensor scale;
};
PackedTensors pack_tensors(const QuantizedState& state);
PackedTensors unpack_tensors(const QuantizedState& state);

// The state itself if it is plain.
QuantizedState unpacked(QuantizedState state);

}  // namespace lowp::nn
