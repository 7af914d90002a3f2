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

// Cycles of a step of 128, 192 and 256 rows of x, as measured on an H200, within 4%: so that of
// plans which come out alike the faster one is chosen. MXFP8 was not measured, it is as MXFP4, nor
// groups of int8 and float8 by 192 rows.
struct StepCycles {
  unsigned together[3];  // two warpgroups of 64 rows of W each
  unsigned in_turns[3];
};

constexpr StepCycles cycles_of(const CudaWeight& weight) {
  switch (weight.format) {
    case CudaWeightFormat::kInt4:
      if (weight.zero_point != nullptr || weight.zero != nullptr) {
        return {{890, 1080, 1140}, {560, 660, 810}};
      }
      return {{790, 920, 1080}, {480, 540, 700}};
    case CudaWeightFormat::kInt8:
    case CudaWeightFormat::kFp8:
      if (weight.group_cols < weight.k) return {{980, 1140, 1300}, {600, 800, 1000}};
      return {{810, 940, 1080}, {530, 560, 690}};
    case CudaWeightFormat::kNvfp4:
      return {{840, 980, 1240}, {590, 620, 880}};
    default:
      return {{870, 1010, 1290}, {550, 590, 850}};
  }
}

constexpr unsigned cycles_of_step(const Plan& plan, const CudaWeight& weight) {
  const StepCycles cycles = cycles_of(weight);
  return (plan.row_groups == 1 ? cycles.in_turns : cycles.together)[plan.tokens / 64 - 2];
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
  return rounds * (steps * cycles_of_step(plan, args.weight) + kEnds) + sum;
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
