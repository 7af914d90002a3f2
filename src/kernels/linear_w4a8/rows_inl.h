// Few rows of x: bound by reading the weight, whose rows go by one after the other, one stream. x
// waits in L1 in the order that the nibbles come out, beside
// the sums of what each lane multiplies. A file of one ISA level includes its vectors first and
// has a Level:
//   load(data, bytes)                          at most a vector of bytes, zeros behind
//   read_ahead(data)                           where the hardware does not by itself
//   split(packed, even, odd)                   nibbles plus 8, of even and of odd columns
//   add_products(sum, even, x_even, odd, x_odd)  int32
//   spread(values)                             a number for each 32 columns of a step, to its lanes
#pragma once

#include <algorithm>
#include <cstring>
#include <iterator>

#include "kernels/linear_common/few_rows.h"
#include "kernels/linear_common/finish_inl.h"
#include "kernels/linear_w4a8/job_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kMaxFewRows = 4;
constexpr std::int64_t kMaxFewColumns = 32768;
constexpr std::int64_t kRowBlock = 64;  // rows of the weight whose results leave together
constexpr std::int64_t kStepBytes = kLanes * 4;
constexpr std::int64_t kStepColumns = 2 * kStepBytes;
constexpr std::int64_t kLaneColumns = kStepColumns / kLanes;
constexpr std::int64_t kUnit = 32;  // columns that share a scale where a step has several
constexpr std::int64_t kMaxUnits = kMaxFewColumns / kUnit + 16;

// The rows of x, made once for all threads: 190 KiB of stack, of which one row uses a quarter.
struct FewRows {
  alignas(64) std::int8_t x[kMaxFewRows][kMaxFewColumns];              // even, then odd of a step
  alignas(64) float sums[kMaxFewRows][kMaxFewColumns / kLaneColumns];  // of each span's lanes
};

struct FewRowsScratch {
  alignas(64) float scales[kMaxUnits];  // of one row of the weight
  alignas(64) float offsets[kMaxUnits];
  alignas(64) float zeros[kMaxUnits];
  alignas(64) float sums[kMaxFewRows][kRowBlock];
};

// How the columns divide: a span is what is multiplied between two scalings, a group or one step.
struct Spans {
  bool whole;           // a group is whole steps
  std::int64_t steps;   // of a row
  std::int64_t length;  // steps of a span
  std::int64_t count;
};

inline Spans spans_of(const LinearW4A8Args& args) {
  const std::int64_t steps = ceil_div(args.k, kStepColumns);
  if (args.group_size >= args.k) return {true, steps, steps, 1};
  if (args.group_size % kStepColumns != 0) return {false, steps, 1, steps};
  const std::int64_t length = args.group_size / kStepColumns;
  return {true, steps, length, steps / length};
}

inline bool fits_few_rows(const LinearW4A8Args& args) {
  return args.m > 0 && args.m <= kMaxFewRows && args.k > 0 && args.k <= kMaxFewColumns &&
         (args.group_size >= args.k || args.group_size % kUnit == 0);
}

// Columns of even and of odd place of one step, and the sums of each lane's.
inline void hold_step(const std::int8_t* x, std::int8_t* held, std::int32_t* lane_sums) {
  std::int8_t* even = held;
  std::int8_t* odd = held + kStepBytes;
  for (std::int64_t i = 0; i < kStepBytes; ++i) {
    even[i] = x[2 * i];
    odd[i] = x[2 * i + 1];
  }
  for (std::int64_t lane = 0; lane < kLanes; ++lane) {
    for (std::int64_t i = 0; i < kLaneColumns; ++i) lane_sums[lane] += x[lane * kLaneColumns + i];
  }
}

// A row of x, step by step, and the sums of its lanes, span by span.
inline void hold_x(const std::int8_t* x, std::int64_t k, const Spans& spans, std::int8_t* held,
                   float* sums) {
  std::int32_t lane_sums[kLanes] = {};
  for (std::int64_t step = 0; step < spans.steps; ++step) {
    const std::int64_t first = step * kStepColumns;
    if (first + kStepColumns <= k) {
      hold_step(x + first, held + first, lane_sums);
    } else {
      std::int8_t last[kStepColumns] = {};
      std::memcpy(last, x + first, static_cast<std::size_t>(k - first));
      hold_step(last, held + first, lane_sums);
    }
    if ((step + 1) % spans.length != 0 && step + 1 < spans.steps) continue;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      *sums++ = static_cast<float>(lane_sums[lane]);
      lane_sums[lane] = 0;
    }
  }
}

// In place: numbers of groups to numbers of units, from the last one on.
inline void repeat_for_units(const LinearW4A8Args& args, float* values) {
  const std::int64_t repeat = args.group_size / kUnit;
  std::int64_t unit = ceil_div(args.k, kUnit);
  for (std::int64_t i = 0; i < kStepColumns / kUnit; ++i) values[unit + i] = 0.0F;
  for (std::int64_t group = unit / repeat; group-- > 0 && repeat > 1;) {
    for (std::int64_t i = 0; i < repeat; ++i) values[--unit] = values[group];
  }
}

// Scales, offsets and zeros of row n of the weight.
inline void hold_parameters(const LinearJob& job, const LinearW4A8Args& args, const Spans& spans,
                            std::int64_t n, FewRowsScratch& scratch) {
  const std::int64_t groups = args.k / args.group_size;
  const auto hold = [&](LinearJob::GroupValues get, float* values) {
    get(job.args, n, 1, 0, groups, values);
    if (!spans.whole) repeat_for_units(args, values);
  };
  hold(job.group_scales, scratch.scales);
  if (args.zero_point != nullptr) hold(job.group_offsets, scratch.offsets);
  if (job.group_zeros != nullptr) hold(job.group_zeros, scratch.zeros);
}

// sums[m][at] of one row of the weight times kX rows of x.
template <class Level, int kX, bool kWhole>
void multiply_row(const std::uint8_t* codes, std::int64_t bytes, const Spans& spans, bool zeros,
                  std::int64_t at, const FewRows& rows, FewRowsScratch& scratch) {
  constexpr std::int64_t kUnitsAStep = kStepColumns / kUnit;
  const auto parameter = [](const float* values, std::int64_t span) {
    if constexpr (kWhole) return broadcast(values[span]);
    return Level::spread(values + span * kUnitsAStep);
  };
  Floats sums[kX];
  for (Floats& sum : sums) sum = broadcast(0.0F);
  std::int64_t step = 0;
  for (std::int64_t span = 0; span < spans.count; ++span) {
    Int32s partial[kX] = {};
    const std::int64_t end = smaller(step + spans.length, spans.steps);
    for (; step < end; ++step) {
      const std::uint8_t* at_step = codes + step * kStepBytes;
      const std::int64_t left = bytes - step * kStepBytes;
      Level::read_ahead(at_step);
      Ints even, odd;
      Level::split(left >= kStepBytes ? load_ints(at_step) : Level::load(at_step, left), even, odd);
#pragma GCC unroll 4
      for (int m = 0; m < kX; ++m) {
        const std::int8_t* x = rows.x[m] + step * kStepColumns;
        partial[m] =
            Level::add_products(partial[m], even, load_ints(x), odd, load_ints(x + kStepBytes));
      }
    }
    const Floats scale = parameter(scratch.scales, span);
    const Floats offset = parameter(scratch.offsets, span);
#pragma GCC unroll 4
    for (int m = 0; m < kX; ++m) {
      const Floats x_sum = load_floats(rows.sums[m] + span * kLanes);
      const Floats product =
          multiply_add(offset, x_sum, to_floats(reinterpret_cast<Ints>(partial[m])));
      sums[m] = multiply_add(product, scale, sums[m]);
      if (zeros) sums[m] = multiply_add(parameter(scratch.zeros, span), x_sum, sums[m]);
    }
  }
#pragma GCC unroll 4
  for (int m = 0; m < kX; ++m) scratch.sums[m][at] = sum_of_lanes(sums[m]);
}

template <class Level, bool kWhole>
void multiply_row_of(const LinearW4A8Args& args, const Spans& spans, std::int64_t n,
                     std::int64_t at, const FewRows& rows, FewRowsScratch& scratch) {
  const std::int64_t bytes = args.k / 2;
  const std::uint8_t* codes = args.weight + n * bytes;
  const bool zeros = args.zero != nullptr;
  switch (args.m) {
    case 1:
      return multiply_row<Level, 1, kWhole>(codes, bytes, spans, zeros, at, rows, scratch);
    case 2:
      return multiply_row<Level, 2, kWhole>(codes, bytes, spans, zeros, at, rows, scratch);
    case 3:
      return multiply_row<Level, 3, kWhole>(codes, bytes, spans, zeros, at, rows, scratch);
    default:
      return multiply_row<Level, 4, kWhole>(codes, bytes, spans, zeros, at, rows, scratch);
  }
}

template <class Level>
void multiply_few_rows(const LinearW4A8Args& args, const LinearJob& job) {
  const Spans spans = spans_of(args);
  FewRows rows;
  for (std::int64_t m = 0; m < args.m; ++m) {
    hold_x(args.x + m * args.k, args.k, spans, rows.x[m], rows.sums[m]);
  }
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    FewRowsScratch scratch;
    if (args.zero_point == nullptr) {
      std::fill(std::begin(scratch.offsets), std::end(scratch.offsets), -float{kCodeOffset});
    }
    const std::int64_t last = smaller(end * kLanes, args.n);
    for (std::int64_t n = begin * kLanes; n < last; n += kRowBlock) {
      const std::int64_t count = smaller(kRowBlock, last - n);
      for (std::int64_t at = 0; at < count; ++at) {
        hold_parameters(job, args, spans, n + at, scratch);
        if (spans.whole) {
          multiply_row_of<Level, true>(args, spans, n + at, at, rows, scratch);
        } else {
          multiply_row_of<Level, false>(args, spans, n + at, at, rows, scratch);
        }
      }
      for (std::int64_t m = 0; m < args.m; ++m) {
        finish_row<false>(job, m, n, count, reinterpret_cast<const std::int32_t*>(scratch.sums[m]));
      }
    }
  };
  parallel_for(args.parallel, ceil_div(args.n, kLanes),
               ceil_div(kFewRowsGrain, args.k * kLanes + 1), body);
}

}  // namespace
}  // namespace lowp::kernels
