#include "formats/nvfp4.h"
#include "kernels/quantize_nvfp4/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {

Nvfp4Tensor finish_nvfp4_tensor(const QuantizeNvfp4Args& args, float amax) {
  const bool empty = args.x.rows == 0 || args.x.cols == 0;
  Nvfp4TensorScale scale = nvfp4_tensor_scale(args.recipe, empty ? 0.0F : amax);
  if (args.static_tensor_scale != nullptr) {
    scale = nvfp4_inference_scale_from(*args.static_tensor_scale);
  }
  *args.tensor_scale = scale.decode;
  return {scale.decode, scale.encode};
}

float finish_nvfp4_block(const QuantizeNvfp4Args& args, const Nvfp4Tensor& tensor,
                         std::int64_t index, float amax) {
  const Nvfp4TensorScale scale{tensor.decode, tensor.encode};
  const std::uint8_t block_scale =
      nvfp4_block_scale(args.recipe, amax, scale, args.block_scale_floor);
  args.block_scale[index] = block_scale;
  return nvfp4_multiplier(args.recipe, block_scale, scale);
}

void quantize_nvfp4_reference(const QuantizeNvfp4Args& args) {
  const auto scan = [&](const Span& span) { return amax_range_of(args.x, span); };
  quantize_nvfp4_blocks(args, scan, [&](const Span& span, const Nvfp4Tensor& tensor) {
    const float factor = finish_nvfp4_block(args, tensor, span.index, scan(span).max);
    for (std::int64_t col = span.col; col < span.col + span.cols; col += 2) {
      const unsigned even = nvfp4_quantize(load_element(args.x, span.row, col), factor);
      const unsigned odd = nvfp4_quantize(load_element(args.x, span.row, col + 1), factor);
      args.codes[(span.row * args.x.cols + col) / 2] = static_cast<std::uint8_t>(even | odd << 4);
    }
  });
}

}  // namespace lowp::kernels
