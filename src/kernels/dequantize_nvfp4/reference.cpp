#include "formats/nvfp4.h"
#include "kernels/dequantize_nvfp4/implementations.h"
#include "kernels/runtime/blocks.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {

void dequantize_nvfp4_reference(const DequantizeNvfp4Args& args) {
  const std::int64_t cols = args.out.cols;
  const float tensor_scale = *args.tensor_scale;
  for_each_block(args.parallel, args.out.rows, cols, {1, kNvfp4Block}, [&](const Span& span) {
    const std::uint8_t block_scale = args.block_scale[span.index];
    const bool nan = is_nan(E4m3::to_float(block_scale)) || is_nan(tensor_scale);
    for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
      const unsigned pair = args.codes[(span.row * cols + col) / 2];
      const auto code = static_cast<std::uint8_t>(col % 2 == 0 ? pair & 0xF : pair >> 4);
      store_element(args.out, span.row, col,
                    nan ? kNaN : nvfp4_dequantize(code, block_scale, tensor_scale));
    }
  });
}

}  // namespace lowp::kernels
