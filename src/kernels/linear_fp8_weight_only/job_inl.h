#pragma once

#include <cstring>

#include "kernels/linear_common/job.h"
#include "kernels/linear_fp8_weight_only/linear_fp8_weight_only.h"

namespace lowp::kernels {
namespace {

inline void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearFp8WeightOnlyArgs*>(from);
  const Block block = args.weight_block;
  const std::int64_t groups = ceil_div(args.x.cols, block.cols);
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* scale = args.weight_scale + (n + row) / block.rows * groups + group;
    std::memcpy(values + row * count, scale, static_cast<std::size_t>(count) * sizeof(float));
  }
}

template <class Codes>
void set_weight(const LinearFp8WeightOnlyArgs& args, LinearJob& job) {
  job.decode_weight = [](const void* from, std::int64_t row, std::int64_t k_begin,
                         std::int64_t k_end, std::int32_t* steps) {
    const auto& args = *static_cast<const LinearFp8WeightOnlyArgs*>(from);
    e4m3_to_steps<Codes>(args.weight + row * args.x.cols + k_begin, k_end - k_begin, steps);
  };
  const Block block = args.weight_block;
  if (block.cols < args.x.cols || (block.rows > 1 && block.rows < args.out.cols)) {
    job.group = block.cols;
    job.group_scales = group_scales;
  } else {
    job.column_scale = args.weight_scale;
    job.column_scale_stride = block.rows == 1 ? 1 : 0;
  }
}

}  // namespace
}  // namespace lowp::kernels
