#pragma once

#include <cstdint>

#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// A rectangle of a matrix. `index` numbers the blocks row by row: where the block's scale lies.
struct Span {
  std::int64_t row;
  std::int64_t col;
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t index;
};

// Elements that one thread takes at least: some microseconds of work.
inline constexpr std::int64_t kGrainElements = 16384;

// Calls body(span) for every block of a (rows, cols) matrix, on several threads. Blocks at the
// lower and right edge are cut. Like parallel_for a template over the caller's own closure, and so
// safe in a file of any ISA level.
template <class Body>
inline void for_each_block(const ParallelFor* parallel, std::int64_t rows, std::int64_t cols,
                           Block block, const Body& body) {
  if (rows == 0 || cols == 0) return;
  const std::int64_t blocks_down = (rows + block.rows - 1) / block.rows;
  const std::int64_t blocks_across = (cols + block.cols - 1) / block.cols;
  const std::int64_t grain = kGrainElements / (block.rows * block.cols) + 1;
  const auto range = [&](std::int64_t begin, std::int64_t end) {
    std::int64_t down = begin / blocks_across;
    std::int64_t across = begin % blocks_across;
    for (std::int64_t index = begin; index < end; ++index) {
      const std::int64_t row = down * block.rows;
      const std::int64_t col = across * block.cols;
      const std::int64_t rows_left = rows - row;
      const std::int64_t cols_left = cols - col;
      body(Span{row, col, rows_left < block.rows ? rows_left : block.rows,
                cols_left < block.cols ? cols_left : block.cols, index});
      if (++across == blocks_across) {
        across = 0;
        ++down;
      }
    }
  };
  parallel_for(parallel, blocks_down * blocks_across, grain, range);
}

}  // namespace lowp::kernels
