#include "formats/affine.h"
#include "formats/packing.h"
#include "kernels/quantize_intx/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

// Calls f with the arithmetic of a dtype.
template <class Function>
void with_arithmetic(DType dtype, const Function& f) {
  if (dtype == DType::kBF16) return f(Bf16{});
  if (dtype == DType::kF16) return f(Fp16{});
  f(Fp32{});
}

DType code_arithmetic(const QuantizeIntxArgs& args) {
  return args.scale_dtype == args.x.dtype ? args.x.dtype : DType::kF32;
}

float reciprocal_of(DType arithmetic, float scale) {
  float reciprocal = 0.0F;
  with_arithmetic(arithmetic, [&]<class Arithmetic>(Arithmetic) {
    reciprocal = affine_reciprocal<Arithmetic>(scale);
  });
  return reciprocal;
}

}  // namespace

void finish_intx_groups(const QuantizeIntxArgs& args, std::int64_t first, std::int64_t count,
                        const Range* ranges, IntxEncoding* encodings) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto [min, max] = ranges[i];
    const AffineParams params = choose_affine_params(args.scale_dtype, min, max, args.mapping,
                                                     signed_range(args.bits), args.epsilon);
    args.scale[first + i] = params.scale;
    if (args.mapping == Mapping::kAsymmetric) {
      args.zero_point[first + i] = static_cast<std::int8_t>(params.zero_point);
    }
    const float reciprocal = reciprocal_of(code_arithmetic(args), params.scale);
    const bool ordinary = max * reciprocal < 0x1p14F && min * reciprocal > -0x1p14F;
    encodings[i] = {reciprocal, params.zero_point, ordinary};
  }
}

void encode_intx_group_reference(const QuantizeIntxArgs& args, const Span& span,
                                 const IntxEncoding& encoding) {
  std::uint8_t* stream = args.codes + (span.row * args.x.cols + span.col) / 8 * args.bits;
  with_arithmetic(code_arithmetic(args), [&]<class Arithmetic>(Arithmetic) {
    for (std::int64_t col = 0; col < span.cols; col += 8, stream += args.bits) {
      std::uint8_t codes[8];
      for (std::int64_t i = 0; i < 8; ++i) {
        const float x = load_element(args.x, span.row, span.col + col + i);
        const int code = affine_quantize<Arithmetic>(x, encoding.reciprocal_scale,
                                                     encoding.zero_point, signed_range(args.bits));
        codes[i] = static_cast<std::uint8_t>(code + intx_offset(args.bits));
      }
      pack_bit_stream(codes, 8, args.bits, stream);
    }
  });
}

void quantize_intx_reference(const QuantizeIntxArgs& args) {
  quantize_blocks<IntxEncoding>(
      args.parallel, args.x, {1, args.group_size},
      [&](const Span& span) { return range_of(args.x, span); },
      [&](auto... groups) { finish_intx_groups(args, groups...); },
      [&](const Span& span, const IntxEncoding& encoding) {
        encode_intx_group_reference(args, span, encoding);
      });
}

}  // namespace lowp::kernels
