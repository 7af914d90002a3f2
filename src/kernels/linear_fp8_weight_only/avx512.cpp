#include <cstring>

#include "kernels/linear_common/formats_avx512_inl.h"
#include "kernels/linear_fp8_weight_only/implementations.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearFp8WeightOnlyArgs*>(from);
  const std::uint8_t* codes = args.weight + row * args.x.cols + k_begin;
  const E4m3Table table;
  store_fp32(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return table.bf16(load_codes_32(codes + i, left));
  });
}

void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                  std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearFp8WeightOnlyArgs*>(from);
  const Block block = args.weight_block;
  const std::int64_t groups = ceil_div(args.x.cols, block.cols);
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* scale = args.weight_scale + (n + row) / block.rows * groups + group;
    std::memcpy(values + row * count, scale, static_cast<std::size_t>(count) * sizeof(float));
  }
}

}  // namespace

void linear_fp8_weight_only_avx512(const LinearFp8WeightOnlyArgs& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  const Block block = args.weight_block;
  if (block.cols < args.x.cols || (block.rows > 1 && block.rows < args.out.cols)) {
    job.group = block.cols;
    job.group_scales = group_scales;
  } else {
    job.column_scale = args.weight_scale;
    job.column_scale_stride = block.rows == 1 ? 1 : 0;
  }
  multiply(job, E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
