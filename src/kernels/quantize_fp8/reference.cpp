#include "formats/fp8_scale.h"
#include "kernels/quantize_fp8/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {

float finish_fp8_block(const QuantizeFp8Args& args, std::int64_t index, Range range) {
  const float scale = args.static_scale != nullptr ? args.static_scale[index]
                      : args.element == DType::kF8E4M3
                          ? fp8_scale<E4m3>(args.scale_dtype, range.max)
                          : fp8_scale<E5m2>(args.scale_dtype, range.max);
  args.scale[index] = scale;
  return scale;
}

void quantize_fp8_reference(const QuantizeFp8Args& args) {
  quantize_blocks(
      args.parallel, args.x.rows, args.x.cols, args.block,
      [&](const Span& span) {
        return args.static_scale == nullptr ? amax_range_of(args.x, span) : Range{};
      },
      [&](std::int64_t index, Range range) { return finish_fp8_block(args, index, range); },
      [&](const Span& span, float scale) {
        for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
          for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
            const float x = load_element(args.x, row, col);
            args.codes[row * args.x.cols + col] = args.element == DType::kF8E4M3
                                                      ? fp8_quantize<E4m3>(x, scale)
                                                      : fp8_quantize<E5m2>(x, scale);
          }
        }
      });
}

}  // namespace lowp::kernels
