#include "kernels/linear_common/formats_avx512_inl.h"
#include "kernels/linear_mxfp8/implementations.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 32;

void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                  std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  convert_groups(args.k / kBlock, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   e8m0_scales(args.weight_scale + at, length, to);
                 });
}

void scale_steps(const std::uint8_t* scale, std::int64_t columns, std::int32_t* steps) {
  alignas(64) float values[kLanes];
  for (std::int64_t block = 0; block < columns / kBlock; ++block) {
    if (block % kLanes == 0)
      e8m0_scales(scale + block, smaller(kLanes, columns / kBlock - block), values);
    const __m512 factor = _mm512_set1_ps(values[block % kLanes]);
    for (std::int64_t k = block * kBlock; k < (block + 1) * kBlock; k += kLanes) {
      _mm512_storeu_ps(steps + k, _mm512_mul_ps(_mm512_loadu_ps(steps + k), factor));
    }
  }
}

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::uint8_t* codes = args.weight + row * args.k + k_begin;
  const E4m3Table table;
  store_fp32(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return table.bf16(load_codes_32(codes + i, left));
  });
}

void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
              std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::uint8_t* codes = args.x + row * args.k + k_begin;
  const E4m3Table table;
  store_fp32(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return table.bf16(load_codes_32(codes + i, left));
  });
  const std::uint8_t* scale = args.x_scale + (row * args.k + k_begin) / kBlock;
  scale_steps(scale, k_end - k_begin, steps);
}

}  // namespace

void linear_mxfp8_avx512(const LinearMxfp8Args& args) {
  LinearJob job{};
  job.args = &args;
  job.m = args.m;
  job.n = args.n;
  job.k = args.k;
  job.decode_weight = decode_weight;
  job.decode_x = decode_x;
  job.group = kBlock;
  job.group_scales = group_scales;
  job.bias = args.bias;
  job.out = args.out;
  job.parallel = args.parallel;
  multiply(job, E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
