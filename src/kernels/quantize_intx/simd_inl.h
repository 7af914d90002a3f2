// Quantization to 1 to 7 bits on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/quantize_intx/implementations.h"
#include "kernels/runtime/bit_stream_inl.h"
#include "kernels/runtime/simd_inl.h"

namespace lowp::kernels {
namespace {

// To the arithmetic of an element type.
inline Floats round_to(F32, Floats x) { return x; }
inline Floats round_to(F16, Floats x) { return round_to_fp16(x); }
inline Floats round_to(BF16, Floats x) { return round_to_bf16(x); }

// Codes a byte each, at most kStreamColumns of them, and then into the stream. Adding the zero
// point needs no rounding: beyond the codes of bf16's 256 exact integers all are clamped.
template <class Element, class Arithmetic>
inline void encode_group(const QuantizeIntxArgs& args, const Span& span,
                         const IntxEncoding& encoding) {
  if (!encoding.ordinary) return encode_intx_group_reference(args, span, encoding);
  const std::int32_t offset = 1 << (args.bits - 1);
  const Floats factor = broadcast(encoding.reciprocal_scale);
  const Int16s zero = broadcast16(encoding.zero_point + offset);
  const Int16s most = broadcast16(2 * offset - 1);
  const OctetLoop pack = packer(args.bits);
  alignas(64) std::uint8_t codes[kStreamColumns];
  for (std::int64_t col = span.col; col < span.col + span.cols; col += kStreamColumns) {
    const std::int64_t left = span.col + span.cols - col;
    const std::int64_t cols = left < kStreamColumns ? left : kStreamColumns;
    for_each_step<Element>(
        at<Element>(args.x, span.row, col), cols, [&](std::int64_t i, Pair x, auto... count) {
          const Ints a = round_to_ints(round_to(Arithmetic{}, multiply(x.a, factor)));
          const Ints b = round_to_ints(round_to(Arithmetic{}, multiply(x.b, factor)));
          const Int16s code = add16(Element::join(a, b), zero);
          store_bytes(codes + i, min16(max16(code, broadcast16(0)), most), count...);
        });
    pack(codes, cols / 8, args.codes + (span.row * args.x.cols + col) / 8 * args.bits);
  }
}

template <class Element, class Arithmetic>
inline void quantize_elements(const QuantizeIntxArgs& args) {
  const bool symmetric = args.mapping == Mapping::kSymmetric;
  quantize_blocks<IntxEncoding>(
      args.parallel, args.x, {1, args.group_size},
      [&](const Span& span) {
        return symmetric ? amax_range<Element>(args.x, span) : value_range<Element>(args.x, span);
      },
      [&](auto... groups) { finish_intx_groups(args, groups...); },
      [&](const Span& span, const IntxEncoding& encoding) {
        encode_group<Element, Arithmetic>(args, span, encoding);
      });
}

inline void quantize_on_vectors(const QuantizeIntxArgs& args) {
  with_element(args.x.dtype, [&]<class Element>(Element) {
    if (args.scale_dtype == args.x.dtype) {
      quantize_elements<Element, Element>(args);
    } else {
      quantize_elements<Element, F32>(args);
    }
  });
}

}  // namespace
}  // namespace lowp::kernels
