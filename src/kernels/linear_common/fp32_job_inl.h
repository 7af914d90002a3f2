// A file of one ISA level includes its vectors first.
#pragma once

#include "kernels/linear_common/elements_inl.h"
#include "kernels/linear_common/job.h"

namespace lowp::kernels {
namespace {

// With fp32 steps; without weights and scales.
template <class Args>
LinearJob job_of_matrix(const Args& args) {
  LinearJob job{};
  job.args = &args;
  job.m = args.x.rows;
  job.n = args.out.cols;
  job.k = args.x.cols;
  job.decode_x = [](const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                    std::int32_t* steps) {
    matrix_to_fp32(static_cast<const Args*>(from)->x, row, k_begin, k_end, steps);
  };
  job.x_codes = args.x.data;
  job.x_code_bytes = args.x.dtype == DType::kF32 ? 4 : 2;
  job.x_codes_stride = args.x.stride * job.x_code_bytes;
  if (args.x.dtype == DType::kF32) job.x = args.x.data;
  job.x_stride = args.x.stride * 4;
  job.bias = args.bias;
  job.out = args.out;
  job.parallel = args.parallel;
  return job;
}

}  // namespace
}  // namespace lowp::kernels
