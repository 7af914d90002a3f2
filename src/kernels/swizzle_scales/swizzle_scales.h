#pragma once

#include <cstdint>

#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Block scales of one byte to the 32_4_4 layout that tensor cores read (formats/swizzle.h), and
// back. Moves of bytes: one implementation.
struct SwizzleScalesArgs {
  const std::uint8_t* scale;  // (rows, cols)
  std::int64_t rows;
  std::int64_t cols;
  std::uint8_t* swizzled;  // swizzled_bytes(rows, cols), the padding set to zero
  const ParallelFor* parallel;
};
void swizzle_scales(const SwizzleScalesArgs& args);

struct UnswizzleScalesArgs {
  const std::uint8_t* swizzled;
  std::uint8_t* scale;  // (rows, cols)
  std::int64_t rows;
  std::int64_t cols;
  const ParallelFor* parallel;
};
void unswizzle_scales(const UnswizzleScalesArgs& args);

}  // namespace lowp::kernels
