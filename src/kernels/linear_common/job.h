// What the fast kernels of all formats have in common: an operation says how its codes become the
// multiplier's elements and where its scales are; rows_inl.h (few rows of x) and panels.h (many)
// do the rest.
#pragma once

#include <cstdint>

#include "kernels/linear_common/epilogue.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

struct LinearJob {
  // Columns [k_begin, k_end) of a row as steps. A step is 4 bytes: one fp32, two bf16, two int16 or
  // four int8 along K. Whole vectors are written: zeros up to the next multiple of their lanes.
  using Decode = void (*)(const void* args, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps);
  // values (rows, count): one number for each of the groups [group, group + count) of rows
  // [n, n + rows) of the weight. May write up to 15 numbers more.
  using GroupValues = void (*)(const void* args, std::int64_t n, std::int64_t rows,
                               std::int64_t group, std::int64_t count, float* values);

  // Steps of columns [k_begin, k_end) of the panel of rows n to n + kPanelColumns: (steps,
  // kPanelColumns), whole chunks of it, at most kPanelSteps.
  using FillPanel = void (*)(const LinearJob& job, std::int64_t n, std::int64_t k_begin,
                             std::int64_t k_end, std::int32_t* panel);

  const void* args;  // what the functions below are called with
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;

  Decode decode_weight;
  FillPanel fill_panel;    // instead of decode_weight, or nullptr
  const void* codes;       // (N, row_bytes), with fill_panel
  std::int64_t row_bytes;  // of the weight, or 0: codes are not read ahead
  std::int64_t unit;       // columns whose steps have an order of their own, a power of two; or 0
  Decode decode_x;
  const void* x_codes;          // (M, K) elements that decode_x reads, to be read ahead, or nullptr
  std::int64_t x_codes_stride;  // bytes from row to row
  std::int64_t x_code_bytes;    // of an element
  const void* x;                // (M, K) where the steps can be read as they are, or nullptr
  std::int64_t x_stride;        // bytes from row to row

  // The partial sum of each group of `group` columns is multiplied by its scale, and by
  // x_group_scale if there is one; its zero times the sum of x is added. Before the scale, its
  // offset times the sum of x is: what the codes of integer products differ by.
  std::int64_t group;          // even; with group_scales
  GroupValues group_scales;    // or nullptr
  GroupValues group_zeros;     // or nullptr
  GroupValues group_offsets;   // or nullptr
  const float* x_group_scale;  // (M, ceil(K / group)), or nullptr

  // out = sum * row_scale[m] * column_scale[n] + bias[n], in this order. A stride is 1, or 0 where
  // one number serves all.
  const float* row_scale;  // or nullptr
  std::int64_t row_scale_stride;
  const float* column_scale;  // or nullptr
  std::int64_t column_scale_stride;
  const float* bias;  // (N), or nullptr
  Epilogue epilogue;
  MutableMatrix out;  // (M, N)
  const ParallelFor* parallel;

  // Integer sums: (x_offset + x_zero_point[m]) * row_sums[n] is subtracted first, and of those with
  // group_scales x_zero_point[m] * fp32_row_sums[n].
  const std::int32_t* row_sums;     // (N)
  const float* fp32_row_sums;       // (N)
  const std::int8_t* x_zero_point;  // (M), or nullptr
  std::int32_t x_offset;
};

}  // namespace lowp::kernels
