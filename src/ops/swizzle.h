// The shape of scales in the 32_4_4 layout (formats/swizzle.h).
#pragma once

#include <cstdint>

#include "formats/swizzle.h"

namespace lowp::ops {

struct MatrixShape {
  std::int64_t rows;
  std::int64_t cols;
};

// A row holds one of the 32 groups of 16 bytes of each tile, for as many tiles as lie side by side:
// only the number of bytes means something.
constexpr MatrixShape swizzled_shape(MatrixShape scale) {
  return {32 * lowp::ceil_div(scale.rows, kSwizzleTileRows),
          16 * lowp::ceil_div(scale.cols, kSwizzleTileCols)};
}

}  // namespace lowp::ops
