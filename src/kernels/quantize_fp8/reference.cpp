#include "formats/fp8_scale.h"
#include "kernels/quantize_fp8/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {

namespace {

template <class Element>
float scale_of(const QuantizeFp8Args& args, float amax) {
  return args.power_of_two ? fp8_power_of_two_scale<Element>(amax)
                           : fp8_scale<Element>(args.scale_dtype, amax);
}

template <class Element>
void finish_as(const QuantizeFp8Args& args, std::int64_t first, std::int64_t count,
               const Range* ranges, Fp8Encoding* encodings) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float scale = args.static_scale != nullptr ? args.static_scale[first + i]
                                                     : scale_of<Element>(args, ranges[i].max);
    args.scale[first + i] = scale;
    encodings[i] = {scale, args.static_scale == nullptr && ranges[i].max / scale < kInf};
  }
}

}  // namespace

void finish_fp8_blocks(const QuantizeFp8Args& args, std::int64_t first, std::int64_t count,
                       const Range* ranges, Fp8Encoding* encodings) {
  const auto finish = args.element == DType::kF8E4M3 ? finish_as<E4m3> : finish_as<E5m2>;
  finish(args, first, count, ranges, encodings);
}

void quantize_fp8_reference(const QuantizeFp8Args& args) {
  quantize_blocks<Fp8Encoding>(
      args.parallel, args.x, args.block,
      [&](const Span& span) {
        return args.static_scale == nullptr ? amax_range_of(args.x, span) : Range{};
      },
      [&](auto... blocks) { finish_fp8_blocks(args, blocks...); },
      [&](const Span& span, const Fp8Encoding& encoding) {
        for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
          for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
            const float x = load_element(args.x, row, col);
            args.codes[row * args.x.cols + col] = args.element == DType::kF8E4M3
                                                      ? fp8_quantize<E4m3>(x, encoding.scale)
                                                      : fp8_quantize<E5m2>(x, encoding.scale);
          }
        }
      });
}

}  // namespace lowp::kernels
