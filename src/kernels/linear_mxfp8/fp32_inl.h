// x as fp32 steps. A file of one ISA level includes its formats first.
#pragma once

#include "kernels/linear_mxfp8/job_inl.h"

namespace lowp::kernels {
namespace {

inline void scale_steps(const std::uint8_t* scale, std::int64_t columns, std::int32_t* steps) {
  alignas(64) float values[kLanes];
  for (std::int64_t block = 0; block < columns / kBlock; ++block) {
    if (block % kLanes == 0) {
      e8m0_scales(scale + block, smaller(kLanes, columns / kBlock - block), values);
    }
    const Floats factor = broadcast(values[block % kLanes]);
    for (std::int64_t k = block * kBlock; k < (block + 1) * kBlock; k += kLanes) {
      store_floats(steps + k, multiply(load_floats(steps + k), factor));
    }
  }
}

template <class Codes>
void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
              std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::int64_t at = row * args.k + k_begin;
  e4m3_to_steps<Codes>(args.x + at, k_end - k_begin, steps);
  scale_steps(args.x_scale + at / kBlock, k_end - k_begin, steps);
}

}  // namespace
}  // namespace lowp::kernels
