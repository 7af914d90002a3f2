#include "formats/mx.h"
#include "kernels/quantize_mx/implementations.h"
#include "kernels/runtime/element.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {
namespace {

template <class Element>
void quantize_block(const QuantizeMxArgs& args, const Span& span) {
  const MxEncoding encoding = finish_mx_block(args, span.index, amax_range_of(args.x, span).max);
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

MxEncoding finish_mx_block(const QuantizeMxArgs& args, std::int64_t index, float amax) {
  MxEncoding encoding{};
  with_mx_element(args.element, [&]<class Element>(Element) {
    const std::uint8_t scale = mx_scale<Element>(abs_bits(amax), args.mode);
    args.scale[index] = scale;
    encoding = {E8m0::reciprocal(scale), scale == E8m0::kNaNCode, Element::from_float(kNaN)};
  });
  return encoding;
}

void quantize_mx_reference(const QuantizeMxArgs& args) {
  with_mx_element(args.element, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.x.rows, args.x.cols, {1, args.block_size},
                   [&](const Span& span) { quantize_block<Element>(args, span); });
  });
}

}  // namespace lowp::kernels
