// int4 dequantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/dequantize_int4/implementations.h"
#include "kernels/runtime/simd_inl.h"

namespace lowp::kernels {
namespace {

// Two's-complement nibbles, without their zero point.
inline Pair signed_nibbles(Int16s code, Int16s zero_point) {
  const Int16s eight = broadcast16(8);
  return to_floats(subtract16(subtract16(bit_xor16(code, eight), eight), zero_point));
}

template <class Element>
inline void decode_group(const DequantizeInt4Args& args, const Span& span) {
  const float scale = args.scale[span.index];
  const float zero = args.zero == nullptr ? 0.0F : args.zero[span.index];
  if (is_nan_value(scale) || is_nan_value(zero)) return fill_with_nan<Element>(args.out, span);
  const std::uint8_t* codes = args.codes + (span.row * args.out.cols + span.col) / 2;
  auto* out = at<Element>(args.out, span.row, span.col);
  const Floats factor = broadcast(scale);
  if (args.zero != nullptr) {
    const Floats shift = broadcast(zero);
    for_each_range(span.cols, [&](std::int64_t i, auto... count) {
      const Pair x = signed_nibbles(load_nibbles(codes + i / 2, count...), broadcast16(0));
      Element::store(out + i,
                     {add(multiply(x.a, factor), shift), add(multiply(x.b, factor), shift)},
                     count...);
    });
    return;
  }
  const Int16s zero_point =
      broadcast16(args.zero_point == nullptr ? 0 : args.zero_point[span.index]);
  for_each_range(span.cols, [&](std::int64_t i, auto... count) {
    const Pair x = signed_nibbles(load_nibbles(codes + i / 2, count...), zero_point);
    Element::store(out + i, {multiply(x.a, factor), multiply(x.b, factor)}, count...);
  });
}

inline void dequantize_on_vectors(const DequantizeInt4Args& args) {
  with_element(args.out.dtype, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.out.rows, args.out.cols, {1, args.group_size},
                   [&](const Span& span) { decode_group<Element>(args, span); });
  });
}

}  // namespace
}  // namespace lowp::kernels
