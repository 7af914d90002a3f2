#include "formats/affine.h"
#include "formats/float_bits.h"
#include "kernels/quantize_int8/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {

namespace {

// As range_of, with 0: it counts in every mapping.
Range scaled_range_of(const QuantizeInt8Args& args, const Span& span) {
  Range range{0.0F, 0.0F};
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
      const float value = load_element(args.x, row, col) * args.column_scale[col];
      if (is_nan(value)) return {kNaN, kNaN};
      if (value < range.min) range.min = value;
      if (value > range.max) range.max = value;
    }
  }
  return range;
}

AffineParams static_params(const QuantizeInt8Args& args) {
  return {*args.static_scale, args.static_zero_point == nullptr ? 0 : *args.static_zero_point};
}

template <class Arithmetic>
void finish_in(const QuantizeInt8Args& args, std::int64_t first, std::int64_t count,
               const Range* ranges, Int8Encoding* encodings) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto [min, max] = ranges[i];
    const AffineParams params =
        args.static_scale != nullptr
            ? static_params(args)
            : choose_affine_params<Arithmetic>(min, max, args.mapping, kInt8, args.epsilon);
    args.scale[first + i] = params.scale;
    if (args.zero_point != nullptr) {
      args.zero_point[first + i] = static_cast<std::int8_t>(params.zero_point);
    }
    const float reciprocal = affine_reciprocal(params.scale);
    const bool ordinary = max * reciprocal < 0x1p14F && min * reciprocal > -0x1p14F;
    encodings[i] = {reciprocal, params.zero_point, ordinary};
  }
}

}  // namespace

void finish_int8_blocks(const QuantizeInt8Args& args, std::int64_t first, std::int64_t count,
                        const Range* ranges, Int8Encoding* encodings) {
  const auto finish = args.scale_dtype == DType::kBF16  ? finish_in<Bf16>
                      : args.scale_dtype == DType::kF16 ? finish_in<Fp16>
                                                        : finish_in<Fp32>;
  finish(args, first, count, ranges, encodings);
}

void encode_int8_block_reference(const QuantizeInt8Args& args, const Span& span,
                                 const Int8Encoding& encoding) {
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
      float value = load_element(args.x, row, col);
      if (args.column_scale != nullptr) value *= args.column_scale[col];
      args.codes[row * args.x.cols + col] = static_cast<std::int8_t>(
          affine_quantize(value, encoding.reciprocal_scale, encoding.zero_point, kInt8));
    }
  }
}

void quantize_int8_reference(const QuantizeInt8Args& args) {
  quantize_blocks<Int8Encoding>(
      args.parallel, args.x, args.block,
      [&](const Span& span) {
        return args.column_scale != nullptr ? scaled_range_of(args, span) : range_of(args.x, span);
      },
      [&](auto... blocks) { finish_int8_blocks(args, blocks...); },
      [&](const Span& span, const Int8Encoding& encoding) {
        encode_int8_block_reference(args, span, encoding);
      });
}

}  // namespace lowp::kernels
