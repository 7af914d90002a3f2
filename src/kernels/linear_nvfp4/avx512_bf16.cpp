#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_nvfp4/implementations.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 16;

void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                  std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearNvfp4Args*>(from);
  convert_groups(args.x.cols / kBlock, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   e4m3_scales(args.weight_block_scale + at, length, to);
                 });
}

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearNvfp4Args*>(from);
  const std::uint8_t* codes = args.weight + (row * args.x.cols + k_begin) / 2;
  const __m512i table = _mm512_load_si512(kE2m1Bf16.data());
  store_bf16(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return nibbles_to_words(load_codes_16(codes + i / 2, left / 2), table);
  });
}

// e2m1 * e4m3 has six significant bits: exact in bf16.
void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  decode_weight(from, row, k_begin, k_end, steps);
  alignas(64) float scales[256 / kBlock + kLanes];
  group_scales(from, row, 1, k_begin / kBlock, (k_end - k_begin) / kBlock, scales);
  scale_bf16_steps(steps, k_end - k_begin, kBlock, scales);
}

}  // namespace

void linear_nvfp4_avx512_bf16(const LinearNvfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  job.group = kBlock;
  job.group_scales = group_scales;
  job.column_scale = args.weight_tensor_scale;
  job.column_scale_stride = 0;
  if (fits_few_rows<NibbleCodes>(job)) {
    multiply_few_rows(job, NibbleCodes(kE2m1Bf16), args.weight);
    return;
  }
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  linear_panels_avx512_bf16(job);
}

}  // namespace lowp::kernels
