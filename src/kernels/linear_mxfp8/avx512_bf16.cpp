#include "kernels/linear_common/formats_avx512_bf16_inl.h"
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

// Element and scale are exact in bf16 together, but for the ends of e8m0's range.
void scale_steps(const std::uint8_t* scale, std::int64_t columns, std::int32_t* steps) {
  alignas(64) float values[2 * kLanes];  // read a vector at a time from any of the first 16
  for (std::int64_t k = 0; k < columns; k += kLanes * kBlock) {
    const std::int64_t count = smaller(kLanes * kBlock, columns - k);
    e8m0_scales(scale + k / kBlock, count / kBlock, values);
    scale_bf16_steps(steps + k / 2, count, kBlock, values);
  }
}

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::uint8_t* codes = args.weight + row * args.k + k_begin;
  const E4m3Table table;
  store_bf16(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return table.bf16(load_codes_32(codes + i, left));
  });
}

void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  decode_weight(from, row, k_begin, k_end, steps);
  scale_steps(args.weight_scale + (row * args.k + k_begin) / kBlock, k_end - k_begin, steps);
}

void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
              std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::uint8_t* codes = args.x + row * args.k + k_begin;
  const E4m3Table table;
  store_bf16(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return table.bf16(load_codes_32(codes + i, left));
  });
  const std::uint8_t* scale = args.x_scale + (row * args.k + k_begin) / kBlock;
  scale_steps(scale, k_end - k_begin, steps);
}

}  // namespace

void linear_mxfp8_avx512_bf16(const LinearMxfp8Args& args) {
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
  if (fits_few_rows<E4m3Codes>(job)) {
    multiply_few_rows(job, E4m3Codes{}, args.weight);
    return;
  }
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  linear_panels_avx512_bf16(job);
}

}  // namespace lowp::kernels
