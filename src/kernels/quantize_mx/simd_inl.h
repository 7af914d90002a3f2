// MX quantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/quantize_mx/implementations.h"
#include "kernels/runtime/small_float_inl.h"

namespace lowp::kernels {
namespace {

template <class Format, class Element>
inline void quantize_group(const QuantizeMxArgs& args, const Span& span) {
  const float amax = amax_range<Element>(args.x, span).max;
  const MxEncoding encoding = finish_mx_block(args, span.index, amax);
  const Floats factor = broadcast(encoding.factor);
  const std::int64_t first = span.row * args.x.cols + span.col;
  for_each_step<Element>(at<Element>(args.x, span.row, span.col), span.cols,
                         [&](std::int64_t i, Pair x, auto... count) {
                           Ints a = encode<Format>(multiply(x.a, factor));
                           Ints b = encode<Format>(multiply(x.b, factor));
                           if (encoding.nan) a = b = broadcast(std::int32_t{encoding.nan_code});
                           const Int16s codes = Element::join(a, b);
                           if constexpr (Format::kBits == 4) {
                             store_nibbles(args.codes + (first + i) / 2, codes, count...);
                           } else {
                             store_bytes(args.codes + first + i, codes, count...);
                           }
                         });
}

template <class Format>
inline void quantize_as(const QuantizeMxArgs& args) {
  with_element(args.x.dtype, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.x.rows, args.x.cols, {1, args.block_size},
                   [&](const Span& span) { quantize_group<Format, Element>(args, span); });
  });
}

inline void quantize_on_vectors(const QuantizeMxArgs& args) {
  with_format(args.element, [&]<class Format>(Format) { quantize_as<Format>(args); });
}

}  // namespace
}  // namespace lowp::kernels
