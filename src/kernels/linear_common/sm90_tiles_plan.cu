#include <cuda_runtime.h>

#include <algorithm>
#include <limits>

#include "kernels/linear_common/sm90_tiles_plan.h"

namespace lowp::kernels::tiles {
namespace {

constexpr unsigned kMostSplits = 16;
constexpr unsigned kLeastSteps = 4;

constexpr std::uint64_t quotient_up(std::uint64_t size, std::uint64_t by) {
  return (size + by - 1) / by;
}

// Of a cluster, without splits.
std::uint64_t tiles_of(const Plan& plan, const CudaLinearArgs& args) {
  return quotient_up(args.m, plan.tokens) *
         quotient_up(args.weight.n, 64 * plan.row_groups * kCluster);
}

// Cycles of a step, as measured. Warpgroups that take turns cost less a row, but x comes twice as
// often, and formats whose scales or codes take longer tell: 10% of 8 bits and MXFP4, 20% of NVFP4.
constexpr unsigned cycles_of_step(const Plan& plan, CudaWeightFormat format) {
  const bool in_turns = plan.row_groups == 1;
  const unsigned percent = !in_turns || format == CudaWeightFormat::kInt4 ? 100
                           : format == CudaWeightFormat::kNvfp4           ? 120
                                                                          : 110;
  const unsigned cycles = plan.tokens == 256   ? (in_turns ? 730 : 1240)
                          : plan.tokens == 192 ? (in_turns ? 610 : 1050)
                                               : (in_turns ? 480 : 860);
  return cycles * percent / 100;
}

// Cycles: rounds of tiles on the machine times what one costs, and if K is split another kernel
// and the partial sums, written and read.
std::uint64_t cost_of(const Plan& plan, const CudaLinearArgs& args) {
  constexpr std::uint64_t kEnds = 4000;
  constexpr std::uint64_t kSum = 5000;
  constexpr std::uint64_t kSumBytes = 2000;  // a cycle
  const auto m = static_cast<std::uint64_t>(args.m);
  const auto n = static_cast<std::uint64_t>(args.weight.n);
  const std::uint64_t steps = quotient_up(quotient_up(args.weight.k, kStep), plan.splits);
  const std::uint64_t rounds = quotient_up(tiles_of(plan, args) * plan.splits, plan.clusters);
  const std::uint64_t sum = plan.splits > 1 ? kSum + plan.splits * m * n * 8 / kSumBytes : 0;
  return rounds * (steps * cycles_of_step(plan, args.weight.format) + kEnds) + sum;
}

}  // namespace

Plan plan_tiles(const CudaLinearArgs& args) {
  int device = 0;
  int count = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  Plan plan{.clusters = std::max(1U, static_cast<unsigned>(count) / kCluster)};
  Plan best{};
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (plan.tokens = 256; plan.tokens >= 128; plan.tokens -= 64) {
    for (plan.row_groups = 2; plan.row_groups >= 1; --plan.row_groups) {
      for (plan.splits = 1; plan.splits <= kMostSplits; ++plan.splits) {
        // All at once, and each with enough to do.
        if (plan.splits > 1 && (tiles_of(plan, args) * plan.splits > plan.clusters ||
                                plan.splits * kLeastSteps * kStep > args.weight.k)) {
          break;
        }
        const std::uint64_t cost = cost_of(plan, args);
        if (cost >= least) continue;
        least = cost;
        best = plan;
      }
    }
  }
  return best;
}

}  // namespace lowp::kernels::tiles
