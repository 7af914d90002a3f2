#pragma once

#include "kernels/attention_decode/attention_decode.h"

namespace lowp::kernels {

// attention_decode on the GPU: the arguments' pointers are the device's, `parallel` is not used.
// The positions of a head are split among blocks, whose results a second kernel combines; with
// room for few positions there is one block a head and no second kernel.
//
// With `key_range`, on the device too, the keys that count are those from key_range[0] to
// key_range[1] - 1, read when the kernel runs; `positions` is then how many there can be.
struct AttentionDecodeCuda {
  AttentionDecodeArgs args;       // that attention_decode_takes
  const std::int64_t* key_range;  // (2), or nullptr: all positions
  float* workspace;               // of attention_decode_workspace(args) elements
  void* stream;                   // cudaStream_t
};

inline constexpr std::int64_t kLargestHeadDimCuda = 256;

// Heads of up to kLargestHeadDimCuda elements, a multiple of 8; q, keys and values lie on 16 bytes.
bool attention_decode_takes(const AttentionDecodeArgs& args);

std::int64_t attention_decode_workspace(const AttentionDecodeArgs& args);

// Returns nullptr, or the CUDA error's text.
const char* attention_decode_cuda(const AttentionDecodeCuda& call);

}  // namespace lowp::kernels
