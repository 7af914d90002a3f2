// What panels_inl.h and amx_panels_inl.h share. A file of one ISA level includes its tile first,
// which says how many columns and steps a panel has.
#pragma once

#include <cstdint>

#include "kernels/linear_common/job.h"
#include "kernels/linear_common/sizes_inl.h"

namespace lowp::kernels {
namespace {

// Pieces of a panel with one scale each: of 16 columns, or of 32 where a step is four.
constexpr std::int64_t kMaxSegments = kPanelSteps / 8;

using PanelSteps = std::int32_t[kPanelColumns];  // one step of all columns
using GroupNumbers = float[kPanelColumns];       // of one group

struct KRange {
  std::int64_t begin;
  std::int64_t end;
};

// The pieces of `range` that lie in one group each.
inline std::int64_t split(const LinearJob& job, KRange range, KRange* pieces) {
  if (job.group_scales == nullptr) {
    pieces[0] = range;
    return 1;
  }
  std::int64_t count = 0;
  for (std::int64_t begin = range.begin; begin < range.end; ++count) {
    const std::int64_t end = smaller((begin / job.group + 1) * job.group, range.end);
    pieces[count] = {begin, end};
    begin = end;
  }
  return count;
}

// values[i][column]: of group `group` + i and row n + column of the weight.
inline void fill_group_values(const LinearJob& job, LinearJob::GroupValues get, std::int64_t n,
                              std::int64_t columns, std::int64_t group, std::int64_t count,
                              GroupNumbers* values) {
  alignas(64) float rows[kPanelColumns * kMaxSegments + kLanes];
  get(job.args, n, columns, group, count, rows);
  for (std::int64_t column = 0; column < columns; ++column) {
    for (std::int64_t i = 0; i < count; ++i) values[i][column] = rows[column * count + i];
  }
}

inline float sum_of_steps(const std::int32_t* steps, std::int64_t count,
                          Floats (*add_elements)(Floats, Ints)) {
  Floats sum = broadcast(0.0F);
  for (std::int64_t step = 0; step < count; step += kLanes) {
    sum = add_elements(sum, load_ints(steps + step, first_lanes(count - step)));
  }
  return sum_of_lanes(sum);
}

}  // namespace
}  // namespace lowp::kernels
