#pragma once

#include "kernels/attention_decode/attention_decode.h"

namespace lowp::kernels {

void attention_decode_avx512(const AttentionDecodeArgs& args);
void attention_decode_avx2(const AttentionDecodeArgs& args);
void attention_decode_reference(const AttentionDecodeArgs& args);

// What the vector implementations are made for.
inline constexpr std::int64_t kLargestHeadDim = 256;

}  // namespace lowp::kernels
