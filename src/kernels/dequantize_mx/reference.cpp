#include "formats/mx.h"
#include "kernels/dequantize_mx/implementations.h"
#include "kernels/runtime/blocks.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

template <class Element>
std::uint8_t code_at(const std::uint8_t* codes, std::int64_t i) {
  if constexpr (Element::kBits != 4) return codes[i];
  return static_cast<std::uint8_t>(i % 2 == 0 ? codes[i / 2] & 0xF : codes[i / 2] >> 4);
}

}  // namespace

void dequantize_mx_reference(const DequantizeMxArgs& args) {
  const std::int64_t cols = args.out.cols;
  with_mx_element(args.element, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.out.rows, cols, {1, args.block_size}, [&](const Span& span) {
      const float scale = E8m0::to_float(args.scale[span.index]);
      for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
        const std::uint8_t code = code_at<Element>(args.codes, span.row * cols + col);
        store_element(args.out, span.row, col,
                      is_nan(scale) ? kNaN : mx_dequantize<Element>(code, scale));
      }
    });
  });
}

}  // namespace lowp::kernels
