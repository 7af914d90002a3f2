// The scales of MX weights. A file of one ISA level includes its formats first.
#pragma once

#include <cstdint>

#include "kernels/linear_common/sizes_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 32;

// A LinearJob::GroupValues. Args: of an operation with weight_scale (N, K / 32) e8m0.
template <class Args>
void e8m0_group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                       std::int64_t count, float* values) {
  const auto& args = *static_cast<const Args*>(from);
  std::int64_t columns = 0;
  if constexpr (requires { args.k; }) {
    columns = args.k;
  } else {
    columns = args.x.cols;
  }
  convert_groups(columns / kBlock, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   e8m0_scales(args.weight_scale + at, length, to);
                 });
}

}  // namespace
}  // namespace lowp::kernels
