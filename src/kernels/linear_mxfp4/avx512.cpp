#include "kernels/linear_common/formats_avx512_inl.h"
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
  store_fp32(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return nibbles_to_words(load_codes_16(codes + i / 2, left / 2), table);
  });
}

}  // namespace

void linear_mxfp4_avx512(const LinearMxfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  job.group = kBlock;
  job.group_scales = group_scales;
  multiply(job, NibbleCodes(kE2m1Bf16), args.weight);
}

}  // namespace lowp::kernels
