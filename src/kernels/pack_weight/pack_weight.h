#pragma once

#include <cstdint>

#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Rows of a weight, or of its scales, to the layout of layout.h, and back. Moves of bits: one
// implementation.
struct PackWeightArgs {
  const void* in;              // (rows, cols); unpacked: (rows / 8, cols, 8)
  std::int64_t rows;           // a multiple of 8
  std::int64_t cols;           // dwords of codes, or scales
  std::int64_t element_bytes;  // 1, 2 or 4
  void* out;                   // (rows / 8, cols, 8); unpacked: (rows, cols)
  const ParallelFor* parallel;
};
void pack_weight(const PackWeightArgs& args);
void unpack_weight(const PackWeightArgs& args);

// Whether this machine's kernels are faster with packed weights: those of AVX2 are, wider ones read
// plain rows.
bool packing_pays();

}  // namespace lowp::kernels
