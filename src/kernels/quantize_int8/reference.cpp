#include "formats/affine.h"
#include "kernels/quantize_int8/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {

Int8Encoding finish_int8_block(const QuantizeInt8Args& args, std::int64_t index, Range range) {
  const AffineParams params = choose_affine_params(args.scale_dtype, range.min, range.max,
                                                   args.mapping, kInt8, args.epsilon);
  args.scale[index] = params.scale;
  if (args.zero_point != nullptr) {
    args.zero_point[index] = static_cast<std::int8_t>(params.zero_point);
  }
  const float reciprocal = affine_reciprocal(params.scale);
  const bool ordinary = range.max * reciprocal < 0x1p14F && range.min * reciprocal > -0x1p14F;
  return {reciprocal, params.zero_point, ordinary};
}

void encode_int8_block_reference(const QuantizeInt8Args& args, const Span& span,
                                 const Int8Encoding& encoding) {
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
      args.codes[row * args.x.cols + col] = static_cast<std::int8_t>(affine_quantize(
          load_element(args.x, row, col), encoding.reciprocal_scale, encoding.zero_point, kInt8));
    }
  }
}

void quantize_int8_reference(const QuantizeInt8Args& args) {
  quantize_blocks(
      args.parallel, args.x.rows, args.x.cols, args.block,
      [&](const Span& span) { return range_of(args.x, span); },
      [&](std::int64_t index, Range range) { return finish_int8_block(args, index, range); },
      [&](const Span& span, const Int8Encoding& encoding) {
        encode_int8_block_reference(args, span, encoding);
      });
}

}  // namespace lowp::kernels
