#include "formats/fp8_scale.h"
#include "kernels/dequantize_fp8/implementations.h"
#include "kernels/runtime/blocks.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

float decode(const DequantizeFp8Args& args, std::uint8_t code, float scale) {
  if (is_nan(scale)) return kNaN;
  return args.element == DType::kF8E4M3 ? fp8_dequantize<E4m3>(code, scale)
                                        : fp8_dequantize<E5m2>(code, scale);
}

}  // namespace

void dequantize_fp8_reference(const DequantizeFp8Args& args) {
  const std::int64_t cols = args.out.cols;
  for_each_block(args.parallel, args.out.rows, cols, args.block, [&](const Span& span) {
    for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
      for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
        store_element(args.out, row, col,
                      decode(args, args.codes[row * cols + col], args.scale[span.index]));
      }
    }
  });
}

}  // namespace lowp::kernels
