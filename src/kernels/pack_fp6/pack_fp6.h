#pragma once

#include <cstdint>

#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Codes of six bits, one a byte, to four in three bytes, lowest bits first (formats/packing.h,
// compressed-tensors' mxfp6-pack-quantized), and back. Moves of bits: one implementation.
struct PackFp6Args {
  const std::uint8_t* codes;  // (rows, cols), the bits above the code's are ignored
  std::int64_t rows;
  std::int64_t cols;     // a multiple of 4
  std::uint8_t* packed;  // (rows, cols * 6 / 8)
  const ParallelFor* parallel;
};
void pack_fp6(const PackFp6Args& args);

struct UnpackFp6Args {
  const std::uint8_t* packed;
  std::uint8_t* codes;  // (rows, cols)
  std::int64_t rows;
  std::int64_t cols;
  const ParallelFor* parallel;
};
void unpack_fp6(const UnpackFp6Args& args);

}  // namespace lowp::kernels
