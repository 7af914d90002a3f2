#include "formats/affine.h"
#include "formats/packing.h"
#include "kernels/dequantize_intx/implementations.h"
#include "kernels/runtime/blocks.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {

void dequantize_intx_reference(const DequantizeIntxArgs& args) {
  const std::int64_t cols = args.out.cols;
  for_each_block(args.parallel, args.out.rows, cols, {1, args.group_size}, [&](const Span& span) {
    const std::uint8_t* row = args.codes + span.row * (cols / 8 * args.bits);
    const float scale = args.scale[span.index];
    const int zero_point = args.zero_point == nullptr ? 0 : args.zero_point[span.index];
    for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
      const int code = intx_code(row, col, args.bits);
      const float value = is_nan(scale) ? kNaN : affine_dequantize(code, scale, zero_point);
      store_element(args.out, span.row, col, value);
    }
  });
}

}  // namespace lowp::kernels
