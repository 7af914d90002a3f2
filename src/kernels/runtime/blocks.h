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

// The blocks of a (rows, cols) matrix. Those at the lower and right edge are cut.
// Always inlined, so that no ISA level's copy of a function can stand in for another's.
struct BlockGrid {
  std::int64_t rows;
  std::int64_t cols;
  Block block;

  [[gnu::always_inline]] std::int64_t across() const {
    return (cols + block.cols - 1) / block.cols;
  }
  [[gnu::always_inline]] std::int64_t count() const {
    return rows == 0 || cols == 0 ? 0 : (rows + block.rows - 1) / block.rows * across();
  }
  [[gnu::always_inline]] std::int64_t grain() const {
    return kGrainElements / (block.rows * block.cols) + 1;
  }
  [[gnu::always_inline]] Span at(std::int64_t row, std::int64_t col, std::int64_t index) const {
    const std::int64_t rows_left = rows - row;
    const std::int64_t cols_left = cols - col;
    return {row, col, rows_left < block.rows ? rows_left : block.rows,
            cols_left < block.cols ? cols_left : block.cols, index};
  }
  [[gnu::always_inline]] Span at(std::int64_t index) const {
    const std::int64_t per_row = across();
    return at(index / per_row * block.rows, index % per_row * block.cols, index);
  }
  [[gnu::always_inline]] Span after(const Span& span) const {
    const std::int64_t col = span.col + block.cols;
    return col < cols ? at(span.row, col, span.index + 1)
                      : at(span.row + block.rows, 0, span.index + 1);
  }
};

// Calls body(span) for every block of a (rows, cols) matrix, on several threads. Like parallel_for
// a template over the caller's own closure, and so safe in a file of any ISA level.
template <class Body>
inline void for_each_block(const ParallelFor* parallel, std::int64_t rows, std::int64_t cols,
                           Block block, const Body& body) {
  const BlockGrid grid{rows, cols, block};
  const auto range = [&](std::int64_t begin, std::int64_t end) {
    for (Span span = grid.at(begin); span.index < end; span = grid.after(span)) body(span);
  };
  parallel_for(parallel, grid.count(), grid.grain(), range);
}

}  // namespace lowp::kernels
