#include "formats/affine.h"
#include "kernels/dequantize_int8/implementations.h"
#include "kernels/runtime/blocks.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {

void dequantize_int8_reference(const DequantizeInt8Args& args) {
  const auto decode = [&](const Span& span) {
    const float scale = args.scale[span.index];
    const int zero_point = args.zero_point == nullptr ? 0 : args.zero_point[span.index];
    for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
      for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
        const int code = args.codes[row * args.out.cols + col];
        store_element(args.out, row, col,
                      is_nan(scale) ? kNaN : affine_dequantize(code, scale, zero_point));
      }
    }
  };
  for_each_block(args.parallel, args.out.rows, args.out.cols, args.block, decode);
}

}  // namespace lowp::kernels
