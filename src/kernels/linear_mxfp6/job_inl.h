// A file of one ISA level includes its formats first.
#pragma once

#include "kernels/linear_common/job.h"
#include "kernels/linear_mxfp6/linear_mxfp6.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 32;
constexpr std::int64_t kBlockBytes = 24;

inline void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearMxfp6Args*>(from);
  convert_groups(args.x.cols / kBlock, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   e8m0_scales(args.weight_scale + at, length, to);
                 });
}

// Codes from column k of a row on, the first of a block.
inline const std::uint8_t* codes_at(const LinearMxfp6Args& args, std::int64_t row, std::int64_t k) {
  return args.weight + (row * args.x.cols + k) / kBlock * kBlockBytes;
}

}  // namespace
}  // namespace lowp::kernels
