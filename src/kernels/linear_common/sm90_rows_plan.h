// Which kernel of sm90_rows takes a product, and how blocks divide it.
#pragma once

#include "kernels/linear_common/cuda_linear.h"

namespace lowp::kernels::rows {

constexpr int quotient_up(std::int64_t size, int by) {
  return static_cast<int>((size + by - 1) / by);
}

struct Plan {
  int padded;  // rows of x that the kernel is made for: 8, 16, 32, 64 or 128
  int tokens;  // rows of x of a block, at most `padded`
  int rows;    // of W, of a block: 64 or 128
  int splits;  // blocks of a cluster, which divide K
  int blocks;  // that run at once
};

// The columns of a stage: as many bytes of a row of W as the x of these columns leaves room for.
constexpr int columns_of_stage(int padded, int bits) {
  return bits == 4 ? (padded <= 32 ? 256 : 128) : 128;
}

// `few_groups`: the warpgroups that decode where at most 8 rows of x are multiplied, 2 or 4.
Plan plan_rows(const CudaLinearArgs& args, int bits, int few_groups);

}  // namespace lowp::kernels::rows
