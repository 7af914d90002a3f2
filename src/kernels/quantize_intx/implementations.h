#pragma once

#include "kernels/quantize_intx/quantize_intx.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {

void quantize_intx_avx512(const QuantizeIntxArgs& args);
void quantize_intx_avx2(const QuantizeIntxArgs& args);
void quantize_intx_reference(const QuantizeIntxArgs& args);

// What the codes of a group are made with.
struct IntxEncoding {
  float reciprocal_scale;
  std::int32_t zero_point;
  // Every quotient is finite and fits 15 bits. Where it is not so (NaN, Inf, a scale that has no
  // finite reciprocal) a group goes to the reference.
  bool ordinary;
};

// Shared by all implementations: stores scales and zero points of `count` groups from `first` on.
void finish_intx_groups(const QuantizeIntxArgs& args, std::int64_t first, std::int64_t count,
                        const Range* ranges, IntxEncoding* encodings);

void encode_intx_group_reference(const QuantizeIntxArgs& args, const Span& span,
                                 const IntxEncoding& encoding);

}  // namespace lowp::kernels
