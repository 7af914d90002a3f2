// The 32_4_4 layout of block scales that tensor cores read (cuBLAS: MX and NVFP4): a scale matrix
// (rows, cols) of bytes, zero-padded to multiples of (128, 4), in tiles of 128x4 = 512 bytes.
#pragma once

#include <cstdint>

#include "formats/host_device.h"

namespace lowp {

inline constexpr std::int64_t kSwizzleTileRows = 128;
inline constexpr std::int64_t kSwizzleTileCols = 4;
inline constexpr std::int64_t kSwizzleTileBytes = kSwizzleTileRows * kSwizzleTileCols;

LOWP_HD constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
LOWP_HD constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) {
  return ceil_div(a, b) * b;
}

LOWP_HD constexpr std::int64_t swizzled_bytes(std::int64_t rows, std::int64_t cols) {
  return round_up(rows, kSwizzleTileRows) * round_up(cols, kSwizzleTileCols);
}

// Byte of scale (row, col) in a matrix with `cols` columns. Tiles lie row by row; inside a tile, 32
// groups of 16 bytes: the rows r, r + 32, r + 64, r + 96 with four columns each.
LOWP_HD constexpr std::int64_t swizzle_offset(std::int64_t row, std::int64_t col,
                                              std::int64_t cols) {
  const std::int64_t tile =
      row / kSwizzleTileRows * ceil_div(cols, kSwizzleTileCols) + col / kSwizzleTileCols;
  return tile * kSwizzleTileBytes + row % 32 * 16 + row % kSwizzleTileRows / 32 * 4 +
         col % kSwizzleTileCols;
}

struct ScalePosition {
  std::int64_t row;
  std::int64_t col;
};

// The inverse; positions of padding lie outside the matrix.
LOWP_HD constexpr ScalePosition unswizzle_offset(std::int64_t offset, std::int64_t cols) {
  const std::int64_t tiles_across = ceil_div(cols, kSwizzleTileCols);
  const std::int64_t tile = offset / kSwizzleTileBytes;
  const std::int64_t inside = offset % kSwizzleTileBytes;
  return {tile / tiles_across * kSwizzleTileRows + inside % 16 / 4 * 32 + inside / 16,
          tile % tiles_across * kSwizzleTileCols + inside % 4};
}

}  // namespace lowp
