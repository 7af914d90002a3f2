#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_mxfp4/implementations.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 32;

void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                  std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearMxfp4Args*>(from);
  convert_groups(args.x.cols / kBlock, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   e8m0_scales(args.weight_scale + at, length, to);
                 });
}

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp4Args*>(from);
  const std::uint8_t* codes = args.weight + (row * args.x.cols + k_begin) / 2;
  const __m512i table = _mm512_load_si512(kE2m1Bf16.data());
  store_bf16(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return nibbles_to_words(load_codes_16(codes + i / 2, left / 2), table);
  });
}

// The block's scale is exact in bf16 with the code, but for the ends of e8m0's range.
void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  decode_weight(from, row, k_begin, k_end, steps);
  alignas(64) float scales[256 / kBlock + kLanes];
  group_scales(from, row, 1, k_begin / kBlock, (k_end - k_begin) / kBlock, scales);
  scale_bf16_steps(steps, k_end - k_begin, kBlock, scales);
}

}  // namespace

void linear_mxfp4_avx512_bf16(const LinearMxfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  job.group = kBlock;
  job.group_scales = group_scales;
  if (fits_few_rows<NibbleCodes>(job)) {
    multiply_few_rows(job, NibbleCodes(kE2m1Bf16), args.weight);
    return;
  }
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  linear_panels_avx512_bf16(job);
}

}  // namespace lowp::kernels
