// MX quantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/quantize_mx/implementations.h"
#include "kernels/runtime/small_float_inl.h"

namespace lowp::kernels {
namespace {

template <class Format>
inline void store_codes(std::uint8_t* codes, std::int64_t i, Int16s code, auto... count) {
  if constexpr (Format::kBits == 4) {
    store_nibbles(codes + i / 2, code, count...);
  } else {
    store_bytes(codes + i, code, count...);
  }
}

template <class Format, class Element>
inline void encode_block(const QuantizeMxArgs& args, const Span& span, const MxEncoding& encoding) {
  const std::int64_t first = span.row * args.x.cols + span.col;
  if (encoding.nan) {
    for_each_range(span.cols, [&](std::int64_t i, auto... count) {
      store_codes<Format>(args.codes, first + i, broadcast16(encoding.nan_code), count...);
    });
    return;
  }
  const Floats factor = broadcast(encoding.factor);
  for_each_step<Element>(at<Element>(args.x, span.row, span.col), span.cols,
                         [&](std::int64_t i, Pair x, auto... count) {
                           const Ints a = encode<Format, true>(multiply(x.a, factor));
                           const Ints b = encode<Format, true>(multiply(x.b, factor));
                           store_codes<Format>(args.codes, first + i, Element::join(a, b),
                                               count...);
                         });
}

template <class Format>
inline void quantize_as(const QuantizeMxArgs& args) {
  with_element(args.x.dtype, [&]<class Element>(Element) {
    quantize_blocks<MxEncoding>(
        args.parallel, args.x, {1, args.block_size},
        [&](const Span& span) { return amax_range<Element>(args.x, span); },
        [&](auto... blocks) { finish_mx_blocks(args, blocks...); },
        [&](const Span& span, const MxEncoding& encoding) {
          encode_block<Format, Element>(args, span, encoding);
        });
  });
}

inline void quantize_on_vectors(const QuantizeMxArgs& args) {
  with_format(args.element, [&]<class Format>(Format) { quantize_as<Format>(args); });
}

}  // namespace
}  // namespace lowp::kernels
