#pragma once

#include <cstdint>

#include "formats/dtype.h"

namespace lowp::kernels {

// A row-major matrix (rows, cols) of F32, F16 or BF16; rows are `stride` elements apart.
struct Matrix {
  const void* data;
  DType dtype;
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t stride;
};

struct MutableMatrix {
  void* data;
  DType dtype;
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t stride;
};

// The rectangle that shares one scale. It divides the matrix, but for 128x128, whose edge blocks
// are cut. (1, cols): per row. (rows, cols): per tensor. (1, g): per group.
struct Block {
  std::int64_t rows;
  std::int64_t cols;
};

}  // namespace lowp::kernels
