#include "formats/affine.h"
#include "kernels/quantize_int4/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

float round_to(DType dtype, float x) {
  if (dtype == DType::kBF16) return Bf16::round(x);
  return dtype == DType::kF16 ? Fp16::round(x) : x;
}

Int4Encoding finish_float_zero(const QuantizeInt4Args& args, std::int64_t index, Range range) {
  const FloatZeroParams params = int4_float_zero_params(range.min, range.max);
  args.scale[index] = round_to(args.scale_dtype, params.scale);
  args.zero[index] = round_to(args.scale_dtype, params.zero);
  return {params.scale, range.min, 0, range.max - range.min < kInf};
}

int encode(const QuantizeInt4Args& args, float x, const Int4Encoding& encoding) {
  return args.mapping == Mapping::kFloatZero
             ? int4_float_zero_quantize(x, encoding.min, encoding.factor)
             : affine_quantize(x, encoding.factor, encoding.zero_point, kInt4);
}

}  // namespace

Int4Encoding finish_int4_group(const QuantizeInt4Args& args, std::int64_t index, Range range) {
  if (args.mapping == Mapping::kFloatZero) return finish_float_zero(args, index, range);
  const AffineParams params = choose_affine_params(args.scale_dtype, range.min, range.max,
                                                   args.mapping, kInt4, args.epsilon);
  args.scale[index] = params.scale;
  if (args.mapping == Mapping::kAsymmetric) {
    args.zero_point[index] = static_cast<std::int8_t>(params.zero_point);
  }
  const float reciprocal = affine_reciprocal(params.scale);
  const bool ordinary = range.max * reciprocal < 0x1p14F && range.min * reciprocal > -0x1p14F;
  return {reciprocal, 0.0F, params.zero_point, ordinary};
}

void encode_int4_group_reference(const QuantizeInt4Args& args, const Span& span,
                                 const Int4Encoding& encoding) {
  for (std::int64_t col = span.col; col < span.col + span.cols; col += 2) {
    const int even = encode(args, load_element(args.x, span.row, col), encoding);
    const int odd = encode(args, load_element(args.x, span.row, col + 1), encoding);
    args.codes[(span.row * args.x.cols + col) / 2] =
        static_cast<std::uint8_t>((even & 0xF) | (odd & 0xF) << 4);
  }
}

void quantize_int4_reference(const QuantizeInt4Args& args) {
  for_each_block(
      args.parallel, args.x.rows, args.x.cols, {1, args.group_size}, [&](const Span& span) {
        const Range range = range_of(args.x, span);
        encode_int4_group_reference(args, span, finish_int4_group(args, span.index, range));
      });
}

}  // namespace lowp::kernels
