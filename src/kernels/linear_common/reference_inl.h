// What the references of the linear operations share. For files of the baseline only.
#pragma once

#include <algorithm>
#include <cstdint>

#include "formats/bf16.h"
#include "formats/fp16.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {
namespace {

inline float element(const Matrix& matrix, std::int64_t row, std::int64_t col) {
  const std::int64_t at = row * matrix.stride + col;
  switch (matrix.dtype) {
    case DType::kF16:
      return Fp16::to_float(static_cast<const std::uint16_t*>(matrix.data)[at]);
    case DType::kBF16:
      return Bf16::to_float(static_cast<const std::uint16_t*>(matrix.data)[at]);
    default:
      return static_cast<const float*>(matrix.data)[at];
  }
}

inline void set_element(const MutableMatrix& matrix, std::int64_t row, std::int64_t col,
                        float value) {
  const std::int64_t at = row * matrix.stride + col;
  switch (matrix.dtype) {
    case DType::kF16:
      static_cast<std::uint16_t*>(matrix.data)[at] = Fp16::from_float(value);
      break;
    case DType::kBF16:
      static_cast<std::uint16_t*>(matrix.data)[at] = Bf16::from_float(value);
      break;
    default:
      static_cast<float*>(matrix.data)[at] = value;
  }
}

// out[m, n] = sum(m, n) + bias[n]. `sum` gives the scaled sum over K in fp32.
template <class Sum>
void reference_linear(const MutableMatrix& out, const float* bias, const ParallelFor* parallel,
                      const Sum& sum) {
  parallel_for(parallel, out.cols, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = 0; m < out.rows; ++m) {
      for (std::int64_t n = begin; n < end; ++n) {
        const float value = sum(m, n);
        set_element(out, m, n, bias == nullptr ? value : value + bias[n]);
      }
    }
  });
}

// The sum over K of what `group_sum(begin, end)` gives for each group of `group` columns; the last
// group may be cut.
template <class GroupSum>
float sum_over_groups(std::int64_t k, std::int64_t group, const GroupSum& group_sum) {
  float sum = 0.0F;
  for (std::int64_t begin = 0; begin < k; begin += group) {
    sum += group_sum(begin, std::min(begin + group, k));
  }
  return sum;
}

}  // namespace
}  // namespace lowp::kernels
