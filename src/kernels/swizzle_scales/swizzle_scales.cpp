#include "kernels/swizzle_scales/swizzle_scales.h"

#include "formats/swizzle.h"
#include "kernels/runtime/blocks.h"

namespace lowp::kernels {

void swizzle_scales(const SwizzleScalesArgs& args) {
  if (args.rows == 0 || args.cols == 0) return;
  const std::int64_t padded_cols = round_up(args.cols, kSwizzleTileCols);
  for_each_block(args.parallel, round_up(args.rows, kSwizzleTileRows), padded_cols,
                 {1, padded_cols}, [&](const Span& span) {
                   for (std::int64_t col = 0; col < padded_cols; ++col) {
                     const bool inside = span.row < args.rows && col < args.cols;
                     args.swizzled[swizzle_offset(span.row, col, args.cols)] =
                         inside ? args.scale[span.row * args.cols + col] : 0;
                   }
                 });
}

void unswizzle_scales(const UnswizzleScalesArgs& args) {
  if (args.rows == 0 || args.cols == 0) return;
  for_each_block(args.parallel, args.rows, args.cols, {1, args.cols}, [&](const Span& span) {
    for (std::int64_t col = 0; col < args.cols; ++col) {
      args.scale[span.row * args.cols + col] =
          args.swizzled[swizzle_offset(span.row, col, args.cols)];
    }
  });
}

}  // namespace lowp::kernels
