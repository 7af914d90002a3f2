#include "formats/affine.h"
#include "kernels/quantize_int4/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

template <class Arithmetic>
void finish_in(const QuantizeInt4Args& args, std::int64_t first, std::int64_t count,
               const Range* ranges, Int4Encoding* encodings) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto [min, max] = ranges[i];
    const AffineParams params =
        choose_affine_params<Arithmetic>(min, max, args.mapping, kInt4, args.epsilon);
    args.scale[first + i] = params.scale;
    if (args.mapping == Mapping::kAsymmetric) {
      args.zero_point[first + i] = static_cast<std::int8_t>(params.zero_point);
    }
    const float reciprocal = affine_reciprocal(params.scale);
    const bool ordinary = max * reciprocal < 0x1p14F && min * reciprocal > -0x1p14F;
    encodings[i] = {reciprocal, 0.0F, params.zero_point, ordinary};
  }
}

// `Arithmetic` is only what the parameters are stored in.
template <class Arithmetic>
void finish_float_zero_in(const QuantizeInt4Args& args, std::int64_t first, std::int64_t count,
                          const Range* ranges, Int4Encoding* encodings) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto [min, max] = ranges[i];
    const FloatZeroParams params = int4_float_zero_params(min, max);
    args.scale[first + i] = Arithmetic::round(params.scale);
    args.zero[first + i] = Arithmetic::round(params.zero);
    encodings[i] = {params.scale, min, 0, max - min < kInf};
  }
}

template <class Arithmetic>
void finish_either(const QuantizeInt4Args& args, std::int64_t first, std::int64_t count,
                   const Range* ranges, Int4Encoding* encodings) {
  const auto finish = args.mapping == Mapping::kFloatZero ? finish_float_zero_in<Arithmetic>
                                                          : finish_in<Arithmetic>;
  finish(args, first, count, ranges, encodings);
}

int encode(const QuantizeInt4Args& args, float x, const Int4Encoding& encoding) {
  return args.mapping == Mapping::kFloatZero
             ? int4_float_zero_quantize(x, encoding.min, encoding.factor)
             : affine_quantize(x, encoding.factor, encoding.zero_point, kInt4);
}

}  // namespace

void finish_int4_groups(const QuantizeInt4Args& args, std::int64_t first, std::int64_t count,
                        const Range* ranges, Int4Encoding* encodings) {
  const auto finish = args.scale_dtype == DType::kBF16  ? finish_either<Bf16>
                      : args.scale_dtype == DType::kF16 ? finish_either<Fp16>
                                                        : finish_either<Fp32>;
  finish(args, first, count, ranges, encodings);
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
  quantize_blocks<Int4Encoding>(
      args.parallel, args.x, {1, args.group_size},
      [&](const Span& span) { return range_of(args.x, span); },
      [&](auto... groups) { finish_int4_groups(args, groups...); },
      [&](const Span& span, const Int4Encoding& encoding) {
        encode_int4_group_reference(args, span, encoding);
      });
}

}  // namespace lowp::kernels
