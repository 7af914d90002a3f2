// Dequantization from 1 to 7 bits on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/dequantize_intx/implementations.h"
#include "kernels/runtime/bit_stream_inl.h"
#include "kernels/runtime/simd_inl.h"

namespace lowp::kernels {
namespace {

// From the stream to a byte each, at most kStreamColumns of them, and then to values.
template <class Element>
inline void decode_group(const DequantizeIntxArgs& args, const Span& span) {
  const float scale = args.scale[span.index];
  if (is_nan_value(scale)) return fill_with_nan<Element>(args.out, span);
  const Floats factor = broadcast(scale);
  const std::int32_t point = args.zero_point == nullptr ? 0 : args.zero_point[span.index];
  const Int16s zero = broadcast16((1 << (args.bits - 1)) + point);
  const OctetLoop unpack = unpacker(args.bits);
  alignas(64) std::uint8_t codes[kStreamColumns];
  for (std::int64_t col = span.col; col < span.col + span.cols; col += kStreamColumns) {
    const std::int64_t left = span.col + span.cols - col;
    const std::int64_t cols = left < kStreamColumns ? left : kStreamColumns;
    unpack(args.codes + (span.row * args.out.cols + col) / 8 * args.bits, cols / 8, codes);
    auto* out = at<Element>(args.out, span.row, col);
    for_each_range(cols, [&](std::int64_t i, auto... count) {
      const Pair x = to_floats(subtract16(load_bytes(codes + i, count...), zero));
      Element::store(out + i, {multiply(x.a, factor), multiply(x.b, factor)}, count...);
    });
  }
}

inline void dequantize_on_vectors(const DequantizeIntxArgs& args) {
  with_element(args.out.dtype, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.out.rows, args.out.cols, {1, args.group_size},
                   [&](const Span& span) { decode_group<Element>(args, span); });
  });
}

}  // namespace
}  // namespace lowp::kernels
