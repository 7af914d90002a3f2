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

void finish_nvfp4_blocks(const QuantizeNvfp4Args& args, const Nvfp4Tensor& tensor,
                         std::int64_t first, std::int64_t count, const float* amax,
                         float* factors) {
  const Nvfp4TensorScale scale{tensor.decode, tensor.encode};
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint8_t block_scale =
        nvfp4_block_scale(args.recipe, amax[i], scale, args.block_scale_floor);
    args.block_scale[first + i] = block_scale;
    factors[i] = nvfp4_multiplier(args.recipe, block_scale, scale);
  }
}

void quantize_nvfp4_reference(const QuantizeNvfp4Args& args) {
  const auto scan = [&](const Span& span) { return amax_range_of(args.x, span); };
  const auto encode_block = [&](const Span& block, const Nvfp4Tensor& tensor) {
    const std::int64_t first = block.row * args.x.cols + block.col;
    const float amax = scan(block).max;
    float factor;
    finish_nvfp4_blocks(args, tensor, first / kNvfp4Block, 1, &amax, &factor);
    for (std::int64_t i = 0; i < kNvfp4Block; i += 2) {
      const float even = load_element(args.x, block.row, block.col + i);
      const float odd = load_element(args.x, block.row, block.col + i + 1);
      args.codes[(first + i) / 2] = static_cast<std::uint8_t>(nvfp4_quantize(even, factor) |
                                                              nvfp4_quantize(odd, factor) << 4);
    }
  };
  quantize_nvfp4_pieces(args, scan, [&](const Span& piece, const Nvfp4Tensor& tensor) {
    for (std::int64_t i = 0; i < piece.cols; i += kNvfp4Block) {
      encode_block({piece.row, piece.col + i, 1, kNvfp4Block, 0}, tensor);
    }
  });
}

}  // namespace lowp::kernels
