// Scales of grouped GEMMs in the 32_4_4 layout: every group is swizzled on its own, and the groups
// follow each other. `ends`: the end of each group, ascending; the first begins at 0.
#pragma once

#include <cstdint>

#include "formats/swizzle.h"

namespace lowp {

LOWP_HD constexpr std::int64_t group_begin(const std::int32_t* ends, std::int64_t group) {
  return group == 0 ? 0 : ends[group - 1];
}

// First entry of a group after each one before it was padded to a multiple of `align`.
LOWP_HD constexpr std::int64_t padded_group_begin(const std::int32_t* ends, std::int64_t group,
                                                  std::int64_t align) {
  std::int64_t begin = 0;
  for (std::int64_t g = 0; g < group; ++g) {
    begin += round_up(ends[g] - group_begin(ends, g), align);
  }
  return begin;
}

// Rows that hold any split of `rows` into groups without knowing the ends.
LOWP_HD constexpr std::int64_t grouped_rows_bound(std::int64_t rows, std::int64_t groups) {
  return rows + kSwizzleTileRows * groups;
}
LOWP_HD constexpr std::int64_t grouped_cols_bound(std::int64_t cols, std::int64_t groups) {
  return cols + kSwizzleTileCols * groups;
}

// Groups of rows, scales (total rows, cols): byte of scale (row, col), row inside its group.
// `first_row`: padded_group_begin(ends, group, 128).
LOWP_HD constexpr std::int64_t swizzle_offset_in_row_group(std::int64_t first_row, std::int64_t row,
                                                           std::int64_t col, std::int64_t cols) {
  return first_row * round_up(cols, kSwizzleTileCols) + swizzle_offset(row, col, cols);
}

// Groups of columns, scales (rows, total cols): byte of scale (row, col), col inside its group of
// `group_cols`. `first_col`: padded_group_begin(ends, group, 4).
LOWP_HD constexpr std::int64_t swizzle_offset_in_col_group(std::int64_t first_col, std::int64_t row,
                                                           std::int64_t col,
                                                           std::int64_t group_cols,
                                                           std::int64_t rows) {
  return first_col * round_up(rows, kSwizzleTileRows) + swizzle_offset(row, col, group_cols);
}

// Tokens of one expert after padding: whole units of `align`, at least one.
LOWP_HD constexpr std::int64_t padded_tokens(std::int64_t tokens, std::int64_t align) {
  return tokens == 0 ? align : round_up(tokens, align);
}

// Tokens that hold every permutation of `tokens` over `experts`.
LOWP_HD constexpr std::int64_t permuted_tokens_bound(std::int64_t tokens, std::int64_t experts,
                                                     std::int64_t align) {
  return round_up(tokens + experts * align, align);
}

}  // namespace lowp
