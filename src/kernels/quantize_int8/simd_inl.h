// int8 quantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/quantize_int8/implementations.h"
#include "kernels/runtime/simd_inl.h"

namespace lowp::kernels {
namespace {

template <class Element>
inline void encode_rows(const QuantizeInt8Args& args, const Span& span,
                        const Int8Encoding& encoding) {
  const Floats factor = broadcast(encoding.reciprocal_scale);
  const Int16s zero_point = broadcast16(encoding.zero_point);
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    std::int8_t* codes = args.codes + row * args.x.cols + span.col;
    for_each_step<Element>(
        at<Element>(args.x, row, span.col), span.cols, [&](std::int64_t i, Pair x, auto... count) {
          const Ints a = round_to_ints(multiply(x.a, factor));
          const Ints b = round_to_ints(multiply(x.b, factor));
          store_saturated(codes + i, add16(Element::join(a, b), zero_point), count...);
        });
  }
}

template <class Element>
inline void quantize_elements(const QuantizeInt8Args& args) {
  const bool symmetric = args.mapping == Mapping::kSymmetric;
  quantize_blocks<Int8Encoding>(
      args.parallel, args.x, args.block,
      [&](const Span& span) {
        return symmetric ? amax_range<Element>(args.x, span) : value_range<Element>(args.x, span);
      },
      [&](auto... blocks) { finish_int8_blocks(args, blocks...); },
      [&](const Span& span, const Int8Encoding& encoding) {
        if (encoding.ordinary) {
          encode_rows<Element>(args, span, encoding);
        } else {
          encode_int8_block_reference(args, span, encoding);
        }
      });
}

inline void quantize_on_vectors(const QuantizeInt8Args& args) {
  with_element(args.x.dtype, [&]<class Element>(Element) { quantize_elements<Element>(args); });
}

}  // namespace
}  // namespace lowp::kernels
