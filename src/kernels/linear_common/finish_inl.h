#pragma once

#include <immintrin.h>

#include "kernels/linear_common/job.h"
#include "kernels/linear_common/vector_inl.h"

namespace lowp::kernels {
namespace {

// out[m, n + i] = sums[i] * row_scale * column_scale + bias for i below `count`; sums: fp32 or
// int32, readable up to the next multiple of 16.
template <bool kInteger>
void finish_row(const LinearJob& job, std::int64_t m, std::int64_t n, std::int64_t count,
                const std::int32_t* sums) {
  const float row_scale = job.row_scale == nullptr ? 1.0F : job.row_scale[m * job.row_scale_stride];
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 mask = first_lanes(count - i);
    __m512i bits = _mm512_loadu_si512(sums + i);
    __m512 value = _mm512_castsi512_ps(bits);
    if constexpr (kInteger) {
      const std::int32_t zero_point = job.x_zero_point == nullptr ? 0 : job.x_zero_point[m];
      const __m512i offset = _mm512_set1_epi32(job.x_offset + zero_point);
      const __m512i row_sums = _mm512_maskz_loadu_epi32(mask, job.row_sums + n + i);
      bits = _mm512_sub_epi32(bits, _mm512_mullo_epi32(offset, row_sums));
      value = _mm512_cvtepi32_ps(bits);
    }
    if (job.row_scale != nullptr) value = _mm512_mul_ps(value, _mm512_set1_ps(row_scale));
    if (job.column_scale != nullptr) {
      value = _mm512_mul_ps(value, job.column_scale_stride == 0
                                       ? _mm512_set1_ps(job.column_scale[0])
                                       : _mm512_maskz_loadu_ps(mask, job.column_scale + n + i));
    }
    if (job.bias != nullptr) {
      value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, job.bias + n + i));
    }
    store_lanes(job.out, m, n + i, mask, value);
  }
}

}  // namespace
}  // namespace lowp::kernels
