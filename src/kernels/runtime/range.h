#pragma once

#include <cstdint>

#include "kernels/runtime/blocks.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

// Least and largest value of a block. If a value is NaN both are the quiet NaN 0x7FC00000, so that
// every implementation makes the same scale of it; zeros are +0 for the same reason.
struct Range {
  float min;
  float max;
};

// Plain code of one block. `amax` gives {-amax, amax}, or the NaN twice.
Range range_of(const Matrix& x, const Span& span);
Range amax_range_of(const Matrix& x, const Span& span);

// The range of a tensor that several threads scan. The order of merging does not matter.
class SharedRange {
 public:
  void merge(Range range);
  Range get() const;

 private:
  // Ordered as the floats are: negative ones with the bits below the sign flipped. Start at -Inf
  // and +Inf.
  std::int32_t max_ = static_cast<std::int32_t>(0x807FFFFF);
  std::int32_t min_ = 0x7F800000;
};

// Blocks whose parameters are made in one go: their divisions overlap, where block by block each
// would wait for the scan before it. They stay in the first cache between scan and encoding.
inline constexpr std::int64_t kMostBlocks = 32;
inline constexpr std::int64_t kMostBlockElements = 4096;

// What quantization with scales does: scan blocks, make their parameters of their ranges, encode
// them. A block that is the whole matrix is scanned and encoded by all threads, row by row.
//   scan(span) -> Range;  encode(span, parameters)
//   finish(first_index, count, ranges, parameters), for `count` <= kMostBlocks blocks
template <class Parameters, class Scan, class Finish, class Encode>
inline void quantize_blocks(const ParallelFor* parallel, const Matrix& x, Block block,
                            const Scan& scan, const Finish& finish, const Encode& encode) {
  const BlockGrid grid{x.rows, x.cols, block};
  if (grid.count() != 1) {
    const std::int64_t fitting = kMostBlockElements / (block.rows * block.cols) + 1;
    const std::int64_t most = fitting < kMostBlocks ? fitting : kMostBlocks;
    const auto several = [&](std::int64_t begin, std::int64_t end) {
      Range ranges[kMostBlocks];
      Parameters parameters[kMostBlocks];
      Span first = grid.at(begin);
      while (first.index < end) {
        const std::int64_t count = end - first.index < most ? end - first.index : most;
        Span span = first;
        for (std::int64_t i = 0; i < count; ++i, span = grid.after(span)) ranges[i] = scan(span);
        finish(first.index, count, ranges, parameters);
        span = first;
        for (std::int64_t i = 0; i < count; ++i, span = grid.after(span)) {
          encode(span, parameters[i]);
        }
        first = span;
      }
    };
    parallel_for(parallel, grid.count(), grid.grain(), several);
    return;
  }
  SharedRange shared;
  const Block row{1, x.cols};
  for_each_block(parallel, x.rows, x.cols, row,
                 [&](const Span& span) { shared.merge(scan(span)); });
  const Range range = shared.get();
  Parameters parameters;
  finish(std::int64_t{0}, std::int64_t{1}, &range, &parameters);
  for_each_block(parallel, x.rows, x.cols, row,
                 [&](const Span& span) { encode(span, parameters); });
}

}  // namespace lowp::kernels
