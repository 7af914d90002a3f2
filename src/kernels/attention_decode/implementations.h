#pragma once

#include "kernels/attention_decode/attention_decode.h"

namespace lowp::kernels {

void attention_decode_avx512(const AttentionDecodeArgs& args);
void attention_decode_reference(const AttentionDecodeArgs& args);

// What the AVX-512 implementation keeps of one head in registers.
inline constexpr std::int64_t kLargestHeadDim = 256;

}  // namespace lowp::kernels
