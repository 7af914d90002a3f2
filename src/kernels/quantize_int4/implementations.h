#pragma once

#include "kernels/quantize_int4/quantize_int4.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {

void quantize_int4_avx512(const QuantizeInt4Args& args);
void quantize_int4_avx2(const QuantizeInt4Args& args);
void quantize_int4_reference(const QuantizeInt4Args& args);

// What the codes of a group are made with.
struct Int4Encoding {
  float factor;             // 1 / scale; kFloatZero: the scale before rounding, a divisor
  float min;                // kFloatZero: the least value of the group
  std::int32_t zero_point;  // kAsymmetric
  // Every quotient is finite and fits 15 bits. Where it is not so (NaN, Inf, a scale that has no
  // finite reciprocal) a group goes to the reference.
  bool ordinary;
};

// Shared by all implementations: stores scales and zeros of `count` groups from `first` on.
void finish_int4_groups(const QuantizeInt4Args& args, std::int64_t first, std::int64_t count,
                        const Range* ranges, Int4Encoding* encodings);

void encode_int4_group_reference(const QuantizeInt4Args& args, const Span& span,
                                 const Int4Encoding& encoding);

}  // namespace lowp::kernels
