#include "formats/swizzle.h"

#include <gtest/gtest.h>

#include <vector>

namespace lowp {
namespace {

static_assert(swizzle_offset(0, 0, 4) == 0 && swizzle_offset(1, 0, 4) == 16);
static_assert(swizzle_offset(32, 0, 4) == 4 && swizzle_offset(0, 3, 4) == 3);
static_assert(swizzle_offset(0, 4, 5) == 512 && swizzle_offset(128, 0, 5) == 1024);
static_assert(swizzled_bytes(129, 5) == 256 * 8 && swizzled_bytes(0, 5) == 0);

TEST(Swizzle, IsABijectionAndTheInverseFindsEveryPosition) {
  for (const auto& [rows, cols] : {std::pair{1, 1}, {128, 4}, {130, 9}, {257, 3}}) {
    std::vector<int> hits(swizzled_bytes(rows, cols), 0);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < cols; ++c) {
        const std::int64_t offset = swizzle_offset(r, c, cols);
        ASSERT_LT(offset, swizzled_bytes(rows, cols));
        EXPECT_EQ(++hits[offset], 1);
        const ScalePosition back = unswizzle_offset(offset, cols);
        EXPECT_EQ(back.row, r);
        EXPECT_EQ(back.col, c);
      }
    }
    // What no scale hits is padding: outside the matrix.
    for (std::int64_t offset = 0; offset < swizzled_bytes(rows, cols); ++offset) {
      if (hits[offset] != 0) continue;
      const ScalePosition padding = unswizzle_offset(offset, cols);
      EXPECT_TRUE(padding.row >= rows || padding.col >= cols);
    }
  }
}

}  // namespace
}  // namespace lowp
