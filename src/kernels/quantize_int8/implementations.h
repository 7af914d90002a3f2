#pragma once

#include "kernels/quantize_int8/quantize_int8.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {

void quantize_int8_avx512(const QuantizeInt8Args& args);
void quantize_int8_avx2(const QuantizeInt8Args& args);
void quantize_int8_reference(const QuantizeInt8Args& args);

// What the codes of a block are made with.
struct Int8Encoding {
  float reciprocal_scale;
  std::int32_t zero_point;
  // Every product x * reciprocal_scale is finite and fits 15 bits. Where it is not so (NaN, Inf, a
  // scale that has no finite reciprocal) a block goes to the reference.
  bool ordinary;
};

// Shared by all implementations: stores scales and zero points of `count` blocks from `first` on.
void finish_int8_blocks(const QuantizeInt8Args& args, std::int64_t first, std::int64_t count,
                        const Range* ranges, Int8Encoding* encodings);

void encode_int8_block_reference(const QuantizeInt8Args& args, const Span& span,
                                 const Int8Encoding& encoding);

}  // namespace lowp::kernels
