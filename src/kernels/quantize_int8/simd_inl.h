// int8 quantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/quantize_int8/implementations.h"
#include "kernels/runtime/simd_inl.h"

namespace lowp::kernels {
namespace {

// kStep elements of x, or `count`, each times the factor of its column.
template <class Element, class... Count>
inline Pair scaled(Pair x, const float* factors, Count... count) {
  const Pair factor = Element::order(F32::load(factors, count...));
  return {multiply(x.a, factor.a), multiply(x.b, factor.b)};
}

// As value_range, with 0: it counts in every mapping.
template <class Element>
inline Range scaled_range(const QuantizeInt8Args& args, const Span& span) {
  Ints least = broadcast(0);
  Ints most = broadcast(0);
  for_each_row<Element>(args.x, span, [&](const auto* row, std::int64_t cols) {
    for_each_step<Element>(row, cols, [&](std::int64_t i, Pair x, auto... count) {
      const Pair value = scaled<Element>(x, args.column_scale + span.col + i, count...);
      const Ints a = ordered32(bits_of(value.a));
      const Ints b = ordered32(bits_of(value.b));
      least = min(least, min(a, b));
      most = max(most, max(a, b));
    });
  });
  const auto number = [](std::int32_t value) {
    return float_of_bits(value < 0 ? value ^ kMagnitude32 : value) + 0.0F;
  };
  const Range range{number(reduce_min32(least)), number(reduce_max32(most))};
  const float nan = float_of_bits(kQuietNaN);
  return is_nan_value(range.min) || is_nan_value(range.max) ? Range{nan, nan} : range;
}

template <class Element, bool kScaled>
inline void encode_rows(const QuantizeInt8Args& args, const Span& span,
                        const Int8Encoding& encoding) {
  const Floats factor = broadcast(encoding.reciprocal_scale);
  const Int16s zero_point = broadcast16(encoding.zero_point);
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    std::int8_t* codes = args.codes + row * args.x.cols + span.col;
    for_each_step<Element>(
        at<Element>(args.x, row, span.col), span.cols, [&](std::int64_t i, Pair x, auto... count) {
          if constexpr (kScaled) {
            x = scaled<Element>(x, args.column_scale + span.col + i, count...);
          }
          const Ints a = round_to_ints(multiply(x.a, factor));
          const Ints b = round_to_ints(multiply(x.b, factor));
          store_saturated(codes + i, add16(Element::join(a, b), zero_point), count...);
        });
  }
}

template <class Element, bool kScaled>
inline void quantize_elements(const QuantizeInt8Args& args) {
  const bool symmetric = args.mapping == Mapping::kSymmetric;
  quantize_blocks<Int8Encoding>(
      args.parallel, args.x, args.block,
      [&](const Span& span) {
        if constexpr (kScaled) return scaled_range<Element>(args, span);
        return symmetric ? amax_range<Element>(args.x, span) : value_range<Element>(args.x, span);
      },
      [&](auto... blocks) { finish_int8_blocks(args, blocks...); },
      [&](const Span& span, const Int8Encoding& encoding) {
        if (encoding.ordinary) {
          encode_rows<Element, kScaled>(args, span, encoding);
        } else {
          encode_int8_block_reference(args, span, encoding);
        }
      });
}

inline void quantize_on_vectors(const QuantizeInt8Args& args) {
  with_element(args.x.dtype, [&]<class Element>(Element) {
    if (args.column_scale != nullptr) {
      quantize_elements<Element, true>(args);
    } else {
      quantize_elements<Element, false>(args);
    }
  });
}

}  // namespace
}  // namespace lowp::kernels
