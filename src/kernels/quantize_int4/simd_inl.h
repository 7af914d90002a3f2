// int4 quantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/quantize_int4/implementations.h"
#include "kernels/runtime/simd_inl.h"

namespace lowp::kernels {
namespace {

inline Int16s clamp16(Int16s x, std::int32_t low, std::int32_t high) {
  return min16(max16(x, broadcast16(low)), broadcast16(high));
}

template <class Element>
inline void encode_integer_zero(const QuantizeInt4Args& args, const Span& span,
                                const Int4Encoding& encoding) {
  std::uint8_t* codes = args.codes + (span.row * args.x.cols + span.col) / 2;
  const Floats factor = broadcast(encoding.factor);
  const Int16s zero_point = broadcast16(encoding.zero_point);
  for_each_step<Element>(at<Element>(args.x, span.row, span.col), span.cols,
                         [&](std::int64_t i, Pair x, auto... count) {
                           const Ints a = round_to_ints(multiply(x.a, factor));
                           const Ints b = round_to_ints(multiply(x.b, factor));
                           const Int16s code =
                               clamp16(add16(Element::join(a, b), zero_point), -8, 7);
                           store_nibbles(codes + i / 2, code, count...);
                         });
}

template <class Element>
inline void encode_float_zero(const QuantizeInt4Args& args, const Span& span,
                              const Int4Encoding& encoding) {
  std::uint8_t* codes = args.codes + (span.row * args.x.cols + span.col) / 2;
  const Floats divisor = broadcast(encoding.factor);
  const Floats least = broadcast(encoding.min);
  for_each_step<Element>(at<Element>(args.x, span.row, span.col), span.cols,
                         [&](std::int64_t i, Pair x, auto... count) {
                           const Ints a = round_to_ints(divide(subtract(x.a, least), divisor));
                           const Ints b = round_to_ints(divide(subtract(x.b, least), divisor));
                           const Int16s code = clamp16(Element::join(a, b), 0, 15);
                           store_nibbles(codes + i / 2, subtract16(code, broadcast16(8)), count...);
                         });
}

template <class Element>
inline void encode_group(const QuantizeInt4Args& args, const Span& span,
                         const Int4Encoding& encoding) {
  if (!encoding.ordinary) {
    encode_int4_group_reference(args, span, encoding);
  } else if (args.mapping == Mapping::kFloatZero) {
    encode_float_zero<Element>(args, span, encoding);
  } else {
    encode_integer_zero<Element>(args, span, encoding);
  }
}

template <class Element>
inline void quantize_elements(const QuantizeInt4Args& args) {
  const bool symmetric = args.mapping == Mapping::kSymmetric;
  quantize_blocks<Int4Encoding>(
      args.parallel, args.x, {1, args.group_size},
      [&](const Span& span) {
        return symmetric ? amax_range<Element>(args.x, span) : value_range<Element>(args.x, span);
      },
      [&](auto... groups) { finish_int4_groups(args, groups...); },
      [&](const Span& span, const Int4Encoding& encoding) {
        encode_group<Element>(args, span, encoding);
      });
}

inline void quantize_on_vectors(const QuantizeInt4Args& args) {
  with_element(args.x.dtype, [&]<class Element>(Element) { quantize_elements<Element>(args); });
}

}  // namespace
}  // namespace lowp::kernels
