// What levels avx2 and avx_vnni of linear_wna8 share.
#pragma once

#include "kernels/linear_common/avx2_tile_inl.h"
// The vectors come first.
#include "kernels/linear_common/intx_avx2_inl.h"
#include "kernels/linear_common/panels_inl.h"
#include "kernels/linear_wna8/implementations.h"
#include "kernels/linear_wna8/job_inl.h"

namespace lowp::kernels {
namespace {

inline void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                     std::int32_t* steps) {
  const auto& args = *static_cast<const LinearWnA8Args*>(from);
  const std::int8_t* codes = args.x + row * args.k;
  for (std::int64_t k = k_begin; k < k_end; k += 32) {
    store_ints(steps + (k - k_begin) / 4, load_bytes_256(codes + k, k_end - k));
  }
}

inline LinearJob panels_of(const LinearWnA8Args& args) {
  LinearJob job = job_of(args);
  job.decode_weight = decode_weight<false>;
  job.decode_x = decode_x;
  job.group_offsets = group_offsets<true>;
  return job;
}

}  // namespace
}  // namespace lowp::kernels
