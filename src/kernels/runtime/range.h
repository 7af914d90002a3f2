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

// What quantization with scales does: scan every block, make its parameters of its range, encode
// it. A block that is the whole matrix is scanned and encoded by all threads, row by row.
//   scan(span) -> Range;  finish(index, range) -> parameters;  encode(span, parameters)
template <class Scan, class Finish, class Encode>
inline void quantize_blocks(const ParallelFor* parallel, std::int64_t rows, std::int64_t cols,
                            Block block, const Scan& scan, const Finish& finish,
                            const Encode& encode) {
  if (rows == 0 || cols == 0) return;
  if (block.rows < rows || block.cols < cols) {
    for_each_block(parallel, rows, cols, block,
                   [&](const Span& span) { encode(span, finish(span.index, scan(span))); });
    return;
  }
  SharedRange shared;
  const Block row{1, cols};
  for_each_block(parallel, rows, cols, row, [&](const Span& span) { shared.merge(scan(span)); });
  const auto parameters = finish(std::int64_t{0}, shared.get());
  for_each_block(parallel, rows, cols, row, [&](const Span& span) { encode(span, parameters); });
}

}  // namespace lowp::kernels
