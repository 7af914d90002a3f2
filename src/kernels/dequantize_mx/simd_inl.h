// MX dequantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/dequantize_mx/implementations.h"
#include "kernels/runtime/small_float_inl.h"

namespace lowp::kernels {
namespace {

// E8M0: the byte is fp32's exponent field; byte 0 is the subnormal 2^-127.
inline float scale_value(std::uint8_t byte) {
  return float_of_bits(byte == 0 ? 0x00400000 : std::int32_t{byte} << 23);
}

template <class Format, class Element>
inline void decode_group(const DequantizeMxArgs& args, const Span& span) {
  const std::uint8_t scale = args.scale[span.index];
  if (scale == 0xFF) return fill_with_nan<Element>(args.out, span);
  const Floats factor = broadcast(scale_value(scale));
  const std::int64_t first = span.row * args.out.cols + span.col;
  auto* out = at<Element>(args.out, span.row, span.col);
  for_each_range(span.cols, [&](std::int64_t i, auto... count) {
    Int16s codes;
    if constexpr (Format::kBits == 4) {
      codes = load_nibbles(args.codes + (first + i) / 2, count...);
    } else {
      codes = load_bytes(args.codes + first + i, count...);
    }
    const Pair x = decode<Format>(codes);
    Element::store(out + i, {multiply(x.a, factor), multiply(x.b, factor)}, count...);
  });
}

template <class Format>
inline void dequantize_as(const DequantizeMxArgs& args) {
  with_element(args.out.dtype, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.out.rows, args.out.cols, {1, args.block_size},
                   [&](const Span& span) { decode_group<Format, Element>(args, span); });
  });
}

inline void dequantize_on_vectors(const DequantizeMxArgs& args) {
  with_format(args.element, [&]<class Format>(Format) { dequantize_as<Format>(args); });
}

}  // namespace
}  // namespace lowp::kernels
