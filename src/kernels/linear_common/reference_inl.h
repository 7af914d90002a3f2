// What the references of the linear operations share. For files of the baseline only.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/runtime/element.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {
namespace {

// out[m, n] = finish(sum(m, n) + bias[n]). `sum` gives the scaled sum over K in fp32.
template <class Sum, class Finish>
void reference_linear(const MutableMatrix& out, const float* bias, const ParallelFor* parallel,
                      const Sum& sum, const Finish& finish) {
  parallel_for(parallel, out.cols, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = 0; m < out.rows; ++m) {
      for (std::int64_t n = begin; n < end; ++n) {
        const float value = sum(m, n);
        store_element(out, m, n, finish(bias == nullptr ? value : value + bias[n]));
      }
    }
  });
}

template <class Sum>
void reference_linear(const MutableMatrix& out, const float* bias, const ParallelFor* parallel,
                      const Sum& sum) {
  reference_linear(out, bias, parallel, sum, [](float value) { return value; });
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
