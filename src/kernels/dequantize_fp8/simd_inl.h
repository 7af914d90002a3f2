// Float8 dequantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/dequantize_fp8/implementations.h"
#include "kernels/runtime/small_float_inl.h"

namespace lowp::kernels {
namespace {

template <class Format, class Element>
inline void decode_block(const DequantizeFp8Args& args, const Span& span) {
  const float scale = args.scale[span.index];
  if (is_nan_value(scale)) return fill_with_nan<Element>(args.out, span);
  const Floats factor = broadcast(scale);
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    const std::uint8_t* codes = args.codes + row * args.out.cols + span.col;
    auto* out = at<Element>(args.out, row, span.col);
    for_each_range(span.cols, [&](std::int64_t i, auto... count) {
      const Pair x = decode<Format>(load_bytes(codes + i, count...));
      Element::store(out + i, {multiply(x.a, factor), multiply(x.b, factor)}, count...);
    });
  }
}

inline void dequantize_on_vectors(const DequantizeFp8Args& args) {
  with_element(args.out.dtype, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.out.rows, args.out.cols, args.block, [&](const Span& span) {
      if (args.element == DType::kF8E4M3) {
        decode_block<E4m3, Element>(args, span);
      } else {
        decode_block<E5m2, Element>(args, span);
      }
    });
  });
}

}  // namespace
}  // namespace lowp::kernels
