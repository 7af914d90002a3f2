#include "formats/affine.h"
#include "kernels/dequantize_int4/implementations.h"
#include "kernels/runtime/blocks.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

float decode(const DequantizeInt4Args& args, int code, std::int64_t index) {
  const float scale = args.scale[index];
  if (args.zero == nullptr) {
    const int zero_point = args.zero_point == nullptr ? 0 : args.zero_point[index];
    return is_nan(scale) ? kNaN : affine_dequantize(code, scale, zero_point);
  }
  const float zero = args.zero[index];
  return is_nan(scale) || is_nan(zero) ? kNaN : int4_float_zero_dequantize(code, {scale, zero});
}

}  // namespace

void dequantize_int4_reference(const DequantizeInt4Args& args) {
  const std::int64_t cols = args.out.cols;
  for_each_block(args.parallel, args.out.rows, cols, {1, args.group_size}, [&](const Span& span) {
    for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
      const unsigned pair = args.codes[(span.row * cols + col) / 2];
      const int code = sign_extend(col % 2 == 0 ? pair : pair >> 4, 4);
      store_element(args.out, span.row, col, decode(args, code, span.index));
    }
  });
}

}  // namespace lowp::kernels
