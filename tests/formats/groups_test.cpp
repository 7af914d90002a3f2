#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "formats/swizzle_groups.h"

namespace lowp {
namespace {

static_assert(padded_tokens(0, 32) == 32 && padded_tokens(33, 32) == 64);
static_assert(permuted_tokens_bound(100, 4, 32) == 256);

TEST(Groups, RowGroupsLieBehindEachOtherWithoutOverlap) {
  const std::array<std::int32_t, 4> ends{5, 5, 135, 391};  // sizes 5, 0, 130, 256
  const std::int64_t cols = 6;
  EXPECT_EQ(padded_group_begin(ends.data(), 1, 128), 128);
  EXPECT_EQ(padded_group_begin(ends.data(), 2, 128), 128);
  EXPECT_EQ(padded_group_begin(ends.data(), 3, 128), 384);
  EXPECT_EQ(padded_group_begin(ends.data(), 4, 128), 640);
  EXPECT_LE(640, grouped_rows_bound(391, 4));
  std::vector<int> hits(640 * 8, 0);
  for (int g = 0; g < 4; ++g) {
    const std::int64_t first = padded_group_begin(ends.data(), g, 128);
    for (std::int64_t r = 0; r < ends[g] - group_begin(ends.data(), g); ++r) {
      for (std::int64_t c = 0; c < cols; ++c) {
        EXPECT_EQ(++hits.at(swizzle_offset_in_row_group(first, r, c, cols)), 1);
      }
    }
  }
}

TEST(Groups, ColumnGroupsLieBehindEachOtherWithoutOverlap) {
  const std::array<std::int32_t, 3> ends{3, 3, 12};  // sizes 3, 0, 9
  const std::int64_t rows = 130;
  EXPECT_EQ(padded_group_begin(ends.data(), 3, 4), 16);
  EXPECT_LE(16, grouped_cols_bound(12, 3));
  std::vector<int> hits(256 * 16, 0);
  for (int g = 0; g < 3; ++g) {
    const std::int64_t first = padded_group_begin(ends.data(), g, 4);
    const std::int64_t size = ends[g] - group_begin(ends.data(), g);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < size; ++c) {
        EXPECT_EQ(++hits.at(swizzle_offset_in_col_group(first, r, c, size, rows)), 1);
      }
    }
  }
}

}  // namespace
}  // namespace lowp
