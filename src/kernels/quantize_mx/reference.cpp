#include "formats/mx.h"
#include "kernels/quantize_mx/implementations.h"
#include "kernels/runtime/element.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {
namespace {

template <class Element>
void quantize_block(const QuantizeMxArgs& args, const Span& span) {
  const std::uint8_t scale =
      mx_scale<Element>(abs_bits(amax_range_of(args.x, span).max), args.mode);
  args.scale[span.index] = scale;
  const auto code = [&](std::int64_t col) -> unsigned {
    // The block is NaN whatever its elements: all get the NaN code, or the largest number.
    if (scale == E8m0::kNaNCode) return Element::from_float(kNaN);
    return mx_quantize<Element>(load_element(args.x, span.row, col), E8m0::reciprocal(scale));
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

void quantize_mx_reference(const QuantizeMxArgs& args) {
  with_mx_element(args.element, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.x.rows, args.x.cols, {1, args.block_size},
                   [&](const Span& span) { quantize_block<Element>(args, span); });
  });
}

}  // namespace lowp::kernels
