#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <limits>

#include "kernels/linear_common/sm90_rows_plan.h"

namespace lowp::kernels::rows {
namespace {

constexpr int kSharedBytes = 227 << 10;  // a block's, so that it has a multiprocessor of its own
constexpr int kMostSplits = 8;           // the largest portable cluster

__global__ void take_multiprocessor() {}

// Clusters of a size that run at once. The chip's parts have unequal numbers of multiprocessors: of
// an H200's 132, clusters of 4 fill 120.
using Clusters = std::array<int, kMostSplits + 1>;

Clusters count_clusters() {
  Clusters counts{};
  cudaFuncSetAttribute(take_multiprocessor, cudaFuncAttributeMaxDynamicSharedMemorySize,
                       kSharedBytes);
  for (int size = 1; size <= kMostSplits; ++size) {
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {static_cast<unsigned>(size), 1, 1};
    cudaLaunchConfig_t config{};
    config.gridDim = size;
    config.blockDim = 128;
    config.dynamicSmemBytes = kSharedBytes;
    config.attrs = &attribute;
    config.numAttrs = 1;
    cudaOccupancyMaxActiveClusters(&counts[size], take_multiprocessor, &config);
  }
  return counts;
}

// Cycles of the busiest multiprocessor, fitted to an H100's and an H200's times. 64 columns of 64
// rows of W take 185 and 3 a row of x, 40 more where these are over 32, 35 less where four
// warpgroups take turns at 8 steps or more; of 128 rows 300 and 6, or what comes from L2 at 25
// bytes a cycle. A cluster starts and ends in 2200. Where every block takes few rows of x, all read
// the same codes at once.
struct Costs {
  std::int64_t n;
  std::int64_t k;
  int bits;
  int few_groups;
  const Clusters& clusters;

  std::int64_t of(const Plan& plan, int token_tiles) const {
    const int blocks = quotient_up(n, plan.rows) * token_tiles;
    const int steps = quotient_up(k, columns_of_stage(plan.padded, bits));
    const int at_once = std::max(1, clusters[plan.splits]);
    const int rounds = quotient_up(blocks, at_once);
    const int mine = quotient_up(steps, plan.splits);
    const bool in_turns = plan.padded == 8 && few_groups == 4 && mine >= 8;
    const int narrow = in_turns ? 150 : plan.padded > 32 ? 225 : 185;
    const int products = plan.rows == 64 ? narrow + 3 * plan.tokens : 300 + 6 * plan.tokens;
    const int bytes = plan.rows * 64 * bits / 8 + plan.tokens * 128;
    const int step = std::max(products, bytes / 25) * columns_of_stage(plan.padded, bits) / 64;
    return std::int64_t{rounds} * mine * step + (plan.splits > 1 ? 2200 : 0) + 150 * token_tiles;
  }
};

}  // namespace

Plan plan_rows(const CudaLinearArgs& args, int bits, int few_groups) {
  static const Clusters clusters = count_clusters();
  const Costs costs{args.weight.n, args.weight.k, bits, few_groups, clusters};
  Plan best{};
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (const int padded : {128, 64, 32, 16, 8}) {
    const int token_tiles = quotient_up(args.m, padded);
    const int tokens = quotient_up(args.m, token_tiles);
    if (tokens <= padded / 2 && padded > 8) continue;
    for (const int rows : {128, 64}) {
      const int blocks = quotient_up(args.weight.n, rows) * token_tiles;
      for (int splits = 1; splits <= kMostSplits; ++splits) {
        // A cluster makes one tile, all of them at once; its blocks have enough to do.
        const int steps = quotient_up(args.weight.k, columns_of_stage(padded, bits));
        if (splits > 1 && (blocks > clusters[splits] || splits * 4 > steps)) break;
        const Plan plan{padded, tokens, rows, splits, clusters[1]};
        const std::int64_t cost = costs.of(plan, token_tiles);
        if (cost >= least) continue;
        least = cost;
        best = plan;
      }
    }
  }
  return best;
}

}  // namespace lowp::kernels::rows
