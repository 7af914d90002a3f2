// Matrix products of 8-bit operands on Hopper: what the kernels of scaled_mm and linear_w8a8 share.
#pragma once

#include <cstdint>

#include "formats/dtype.h"

namespace lowp::kernels::sm90 {

// Division of n < 2^31 by a number that is known before the kernel runs.
struct Divider {
  unsigned divisor = 1;
  unsigned multiplier = 1;
  unsigned shift = 0;

  Divider() = default;
  explicit Divider(unsigned by) : divisor(by) {
    while (1ULL << shift < by) ++shift;
    multiplier = static_cast<unsigned>(((1ULL << 32) * ((1ULL << shift) - by)) / by + 1);
  }

#ifdef __CUDACC__
  __device__ unsigned quotient(unsigned n) const { return (__umulhi(n, multiplier) + n) >> shift; }
#endif
};

// Tiles of an output batch x (M, N), and the order in which the blocks take them: groups of
// `group` rows of tiles, all columns of a group before the next, so that the tiles in flight share
// their operands in L2.
struct GemmTiles {
  int rows;     // of tiles
  int columns;  // of tiles
  int batch;
  int group;
  Divider of_matrix{};     // tiles of a matrix
  Divider of_group{};      // tiles of a group
  Divider of_rows{};       // rows of a group
  Divider of_last_rows{};  // rows of the last group
};

struct GemmSize {
  int m;
  int n;
  int k;
};

// What happens to a sum: fp32 (acc - zero_point * column_sum) * row_scale * column_scale + bias,
// rounded once. Strides are in elements: 0 where one scale holds for all.
struct Finish {
  const float* row_scale;
  const float* column_scale;
  std::int64_t row_stride;
  std::int64_t column_stride;
  std::int64_t row_batch_stride;
  std::int64_t column_batch_stride;
  const void* bias;  // (N), or nullptr
  DType bias_dtype;
  const std::int8_t* row_zero_point;  // (M), or nullptr
  const std::int32_t* column_sums;    // (N)
  void* out;                          // batch x (M, N)
  DType out_dtype;
  bool by_copy_engine;  // rows of `out` are aligned to 16 bytes: tiles leave through a tensor map
};

// Scales of 128 of k: of rows in groups of 2^shift, and of columns. Strides in elements.
struct BlockScales {
  const float* row_scale;
  int row_stride;
  int row_block_stride;
  std::int64_t row_batch_stride;
  int row_shift;  // 0 or 7
  const float* column_scale;
  int column_stride;
  int column_block_stride;
  std::int64_t column_batch_stride;
};

struct GemmParams {
  GemmSize size;
  GemmTiles tiles;
  bool a_batched;  // else one A for all
  bool b_batched;
  Finish finish;
  BlockScales blocks;
};

}  // namespace lowp::kernels::sm90
