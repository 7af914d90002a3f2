#pragma once

#include "kernels/quantize_nvfp4/quantize_nvfp4.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {

void quantize_nvfp4_avx512(const QuantizeNvfp4Args& args);
void quantize_nvfp4_avx2(const QuantizeNvfp4Args& args);
void quantize_nvfp4_reference(const QuantizeNvfp4Args& args);

// Shared by all implementations: the tensor's scale, which it stores, with its reciprocal, ...
struct Nvfp4Tensor {
  float decode;
  float encode;
};
Nvfp4Tensor finish_nvfp4_tensor(const QuantizeNvfp4Args& args, float amax);

// ... and the factors of the elements of `count` blocks from `first` on, whose e4m3 scales it
// stores.
void finish_nvfp4_blocks(const QuantizeNvfp4Args& args, const Nvfp4Tensor& tensor,
                         std::int64_t first, std::int64_t count, const float* amax, float* factors);

// Blocks are encoded in pieces of a row.
inline constexpr std::int64_t kNvfp4PieceBlocks = 32;
inline constexpr std::int64_t kNvfp4PieceCols = 16 * kNvfp4PieceBlocks;

// Calls encode(piece, tensor) for every piece of a row once the tensor's scale is known: given, or
// from the amax of all rows. scan(span) -> Range.
template <class Scan, class Encode>
inline void quantize_nvfp4_pieces(const QuantizeNvfp4Args& args, const Scan& scan,
                                  const Encode& encode) {
  const Matrix& x = args.x;
  SharedRange shared;
  if (args.static_tensor_scale == nullptr) {
    for_each_block(args.parallel, x.rows, x.cols, {1, x.cols},
                   [&](const Span& span) { shared.merge(scan(span)); });
  }
  const Nvfp4Tensor tensor = finish_nvfp4_tensor(args, shared.get().max);
  for_each_block(args.parallel, x.rows, x.cols, {1, kNvfp4PieceCols},
                 [&](const Span& span) { encode(span, tensor); });
}

}  // namespace lowp::kernels
