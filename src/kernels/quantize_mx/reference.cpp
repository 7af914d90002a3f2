#include "formats/mx.h"
#include "kernels/quantize_mx/implementations.h"
#include "kernels/runtime/element.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {
namespace {

template <class Element>
void encode_block(const QuantizeMxArgs& args, const Span& span, const MxEncoding& encoding) {
  const auto code = [&](std::int64_t col) -> unsigned {
    return encoding.nan
               ? encoding.nan_code
               : mx_quantize<Element>(load_element(args.x, span.row, col), encoding.factor);
  };
  const std::int64_t first = span.row * args.x.cols;
  for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
    if constexpr (Element::kBits == 4) {
      std::uint8_t& pair = args.codes[(first + col) / 2];
      pair = static_cast<std::uint8_t>(col % 2 == 0 ? code(col) : pair | code(col) << 4);
    } else {
      args.codes[first + col] = static_cast<std::uint8_t>(code(col));
    }
  }
}

}  // namespace

void finish_mx_blocks(const QuantizeMxArgs& args, std::int64_t first, std::int64_t count,
                      const Range* ranges, MxEncoding* encodings) {
  with_mx_element(args.element, [&]<class Element>(Element) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint8_t scale = mx_scale<Element>(abs_bits(ranges[i].max), args.mode);
      args.scale[first + i] = scale;
      encodings[i] = {E8m0::reciprocal(scale), scale == E8m0::kNaNCode, Element::from_float(kNaN)};
    }
  });
}

void quantize_mx_reference(const QuantizeMxArgs& args) {
  with_mx_element(args.element, [&]<class Element>(Element) {
    quantize_blocks<MxEncoding>(
        args.parallel, args.x, {1, args.block_size},
        [&](const Span& span) { return amax_range_of(args.x, span); },
        [&](auto... blocks) { finish_mx_blocks(args, blocks...); },
        [&](const Span& span, const MxEncoding& encoding) {
          encode_block<Element>(args, span, encoding);
        });
  });
}

}  // namespace lowp::kernels
