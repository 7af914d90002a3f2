// Matrix elements to fp32 steps (job.h). A file of one ISA level includes its vectors first.
#pragma once

#include "kernels/linear_common/sizes_inl.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {
namespace {

// x of any dtype to fp32 steps.
inline void matrix_to_fp32(const Matrix& x, std::int64_t row, std::int64_t k_begin,
                           std::int64_t k_end, std::int32_t* steps) {
  std::int64_t k = k_begin;
  for (; k + kLanes <= k_end; k += kLanes, steps += kLanes) {
    store_floats(steps, load_lanes(x, row, k, first_lanes(kLanes)));
  }
  if (k < k_end) store_floats(steps, load_lanes(x, row, k, first_lanes(k_end - k)));
}

// Scales or zeros, bf16 or fp32, from element `at` on.
inline void parameters_to_fp32(const void* data, DType dtype, std::int64_t at, std::int64_t count,
                               float* values) {
  const Matrix row{data, dtype, 1, at + count, at + count};
  for (std::int64_t i = 0; i < count; i += kLanes) {
    store_floats(values + i, load_lanes(row, 0, at + i, first_lanes(count - i)));
  }
}

}  // namespace
}  // namespace lowp::kernels
