// A file of one ISA level includes its vectors first (avx512_vector_inl.h, avx2_vector_inl.h).
#pragma once

#include "kernels/linear_common/job.h"
#include "kernels/runtime/activation_inl.h"

namespace lowp::kernels {
namespace {

inline void store_results(const LinearJob& job, std::int64_t m, std::int64_t n, Lanes lanes,
                          Floats value) {
  const Epilogue& epilogue = job.epilogue;
  if (epilogue.activation != Activation::kNone) value = activate_lanes(epilogue.activation, value);
  if (job.out.dtype == DType::kI8) {
    auto* to = static_cast<std::int8_t*>(job.out.data) + m * job.out.stride + n;
    store_codes(to, lanes, multiply(value, broadcast(epilogue.reciprocal_scale)));
  } else {
    store_lanes(job.out, m, n, lanes, value);
  }
}

// out[m, n + i] = sums[i] * row_scale * column_scale + bias for i below `count`; sums: fp32 or
// int32, readable up to the next multiple of kLanes.
template <bool kInteger>
void finish_row(const LinearJob& job, std::int64_t m, std::int64_t n, std::int64_t count,
                const std::int32_t* sums) {
  const float row_scale = job.row_scale == nullptr ? 1.0F : job.row_scale[m * job.row_scale_stride];
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const Lanes lanes = first_lanes(count - i);
    Floats value = load_floats(sums + i);
    const std::int32_t zero_point = job.x_zero_point == nullptr ? 0 : job.x_zero_point[m];
    if constexpr (kInteger) {
      const Ints offset = broadcast(job.x_offset + zero_point);
      const Ints offset_sum = multiply(offset, load_ints(job.row_sums + n + i, lanes));
      value = to_floats(subtract(load_ints(sums + i), offset_sum));
    } else if (zero_point != 0) {
      const Floats row_sums = load_floats(job.fp32_row_sums + n + i, lanes);
      value = subtract(value, multiply(broadcast(static_cast<float>(zero_point)), row_sums));
    }
    if (job.row_scale != nullptr) value = multiply(value, broadcast(row_scale));
    if (job.column_scale != nullptr) {
      value = multiply(value, job.column_scale_stride == 0
                                  ? broadcast(job.column_scale[0])
                                  : load_floats(job.column_scale + n + i, lanes));
    }
    if (job.bias != nullptr) value = add(value, load_floats(job.bias + n + i, lanes));
    store_results(job, m, n + i, lanes, value);
  }
}

}  // namespace
}  // namespace lowp::kernels
