// A file of one ISA level includes its formats first.
#pragma once

#include "kernels/linear_common/e8m0_groups_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_mxfp6/linear_mxfp6.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlockBytes = 24;

// Codes from column k of a row on, the first of a block.
inline const std::uint8_t* codes_at(const LinearMxfp6Args& args, std::int64_t row, std::int64_t k) {
  return args.weight + (row * args.x.cols + k) / kBlock * kBlockBytes;
}

}  // namespace
}  // namespace lowp::kernels
