#pragma once

#include <cstring>

#include "kernels/linear_common/job.h"
#include "kernels/linear_fp8/linear_fp8.h"

namespace lowp::kernels {
namespace {

inline void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearFp8Args*>(from);
  const Block block = args.weight_block;
  const std::int64_t groups = ceil_div(args.k, block.cols);
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* scale = args.weight_scale + (n + row) / block.rows * groups + group;
    std::memcpy(values + row * count, scale, static_cast<std::size_t>(count) * sizeof(float));
  }
}

template <class Codes>
void fp8_to_steps(DType dtype, const std::uint8_t* codes, std::int64_t count, std::int32_t* steps) {
  if (dtype == DType::kF8E4M3) return e4m3_to_steps<Codes>(codes, count, steps);
  e5m2_to_steps<Codes>(codes, count, steps);
}

template <class Codes>
LinearJob job_of(const LinearFp8Args& args) {
  LinearJob job{};
  job.args = &args;
  job.m = args.m;
  job.n = args.n;
  job.k = args.k;
  job.decode_weight = [](const void* from, std::int64_t row, std::int64_t k_begin,
                         std::int64_t k_end, std::int32_t* steps) {
    const auto& args = *static_cast<const LinearFp8Args*>(from);
    fp8_to_steps<Codes>(args.weight_dtype, args.weight + row * args.k + k_begin, k_end - k_begin,
                        steps);
  };
  job.decode_x = [](const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                    std::int32_t* steps) {
    const auto& args = *static_cast<const LinearFp8Args*>(from);
    fp8_to_steps<Codes>(args.x_dtype, args.x + row * args.k + k_begin, k_end - k_begin, steps);
  };
  const Block block = args.weight_block;
  if (block.cols < args.k || (block.rows > 1 && block.rows < args.n)) {
    job.group = block.cols;
    job.group_scales = group_scales;
  } else {
    job.column_scale = args.weight_scale;
    job.column_scale_stride = block.rows == 1 ? 1 : 0;
  }
  if (args.x_block.cols < args.k) {
    job.x_group_scale = args.x_scale;
  } else {
    job.row_scale = args.x_scale;
    job.row_scale_stride = args.x_block.rows == 1 ? 1 : 0;
  }
  job.bias = args.bias;
  job.out = args.out;
  job.parallel = args.parallel;
  return job;
}

}  // namespace
}  // namespace lowp::kernels
