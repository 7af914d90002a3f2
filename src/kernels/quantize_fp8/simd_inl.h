// Float8 quantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/quantize_fp8/implementations.h"
#include "kernels/runtime/small_float_inl.h"

namespace lowp::kernels {
namespace {

template <class Format, class Element, bool kFinite>
inline void encode_rows(const QuantizeFp8Args& args, const Span& span, float scale) {
  const Floats divisor = broadcast(scale);
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    std::uint8_t* codes = args.codes + row * args.x.cols + span.col;
    for_each_step<Element>(at<Element>(args.x, row, span.col), span.cols,
                           [&](std::int64_t i, Pair x, auto... count) {
                             const Ints a = encode<Format, kFinite>(divide(x.a, divisor));
                             const Ints b = encode<Format, kFinite>(divide(x.b, divisor));
                             store_bytes(codes + i, Element::join(a, b), count...);
                           });
  }
}

template <class Format, class Element>
inline void quantize_elements(const QuantizeFp8Args& args) {
  quantize_blocks<Fp8Encoding>(
      args.parallel, args.x, args.block,
      [&](const Span& span) {
        return args.static_scale == nullptr ? amax_range<Element>(args.x, span) : Range{};
      },
      [&](auto... blocks) { finish_fp8_blocks(args, blocks...); },
      [&](const Span& span, const Fp8Encoding& encoding) {
        if (encoding.ordinary) {
          encode_rows<Format, Element, true>(args, span, encoding.scale);
        } else {
          encode_rows<Format, Element, false>(args, span, encoding.scale);
        }
      });
}

inline void quantize_on_vectors(const QuantizeFp8Args& args) {
  with_element(args.x.dtype, [&]<class Element>(Element) {
    if (args.element == DType::kF8E4M3) {
      quantize_elements<E4m3, Element>(args);
    } else {
      quantize_elements<E5m2, Element>(args);
    }
  });
}

}  // namespace
}  // namespace lowp::kernels
