// Which kernel of sm90_tiles takes a product, and how it is divided over the chip.
#pragma once

#include "kernels/linear_common/cuda_linear.h"

namespace lowp::kernels::tiles {

constexpr unsigned kStep = 64;    // columns of W and x in a stage
constexpr unsigned kCluster = 2;  // blocks, which share x

struct Plan {
  unsigned tokens;      // rows of x that the kernel is made for: 128, 192 or 256
  unsigned row_groups;  // of 64 rows of W, of a block; 1: two warpgroups take turns
  unsigned splits;      // of K
  unsigned clusters;    // that run at once
};

Plan plan_tiles(const CudaLinearArgs& args);

// out = the sum of the workspace's (splits, M, N), in their order, and bias, rounded.
const char* sum_splits(const CudaLinearArgs& args, unsigned splits);

}  // namespace lowp::kernels::tiles
