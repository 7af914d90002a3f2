// int8 dequantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/dequantize_int8/implementations.h"
#include "kernels/runtime/simd_inl.h"

namespace lowp::kernels {
namespace {

template <class Element>
inline void decode_block(const DequantizeInt8Args& args, const Span& span) {
  const float scale = args.scale[span.index];
  if (is_nan_value(scale)) return fill_with_nan<Element>(args.out, span);
  const Floats factor = broadcast(scale);
  const Int16s zero_point =
      broadcast16(args.zero_point == nullptr ? 0 : args.zero_point[span.index]);
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    const std::int8_t* codes = args.codes + row * args.out.cols + span.col;
    auto* out = at<Element>(args.out, row, span.col);
    for_each_range(span.cols, [&](std::int64_t i, auto... count) {
      const Pair x = to_floats(subtract16(load_signed_bytes(codes + i, count...), zero_point));
      Element::store(out + i, {multiply(x.a, factor), multiply(x.b, factor)}, count...);
    });
  }
}

inline void dequantize_on_vectors(const DequantizeInt8Args& args) {
  with_element(args.out.dtype, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.out.rows, args.out.cols, args.block,
                   [&](const Span& span) { decode_block<Element>(args, span); });
  });
}

}  // namespace
}  // namespace lowp::kernels
