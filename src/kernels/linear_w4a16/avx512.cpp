#include "kernels/linear_common/formats_avx512_inl.h"
#include "kernels/linear_w4a16/implementations.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW4A16Args*>(from);
  const std::uint8_t* codes = args.weight + (row * args.x.cols + k_begin) / 2;
  const __m512i table = _mm512_load_si512(kInt4Bf16.data());
  store_fp32(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return nibbles_to_words(load_codes_16(codes + i / 2, left / 2), table);
  });
}

// -zero_point * scale, or zero
void group_zeros(const void* from, std::int64_t n, std::int64_t group, std::int64_t count,
                 float* values) {
  const auto& args = *static_cast<const LinearW4A16Args*>(from);
  const std::int64_t at = n * (args.x.cols / args.group_size) + group;
  if (args.zero != nullptr) {
    parameters_to_fp32(args.zero, args.scale_dtype, at, count, values);
    return;
  }
  parameters_to_fp32(args.scale, args.scale_dtype, at, count, values);
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const __m128i codes = load_codes_16(args.zero_point + at + i, count - i);
    const __m512 minus =
        _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_setzero_si512(), _mm512_cvtepi8_epi32(codes)));
    _mm512_storeu_ps(values + i, _mm512_mul_ps(minus, _mm512_loadu_ps(values + i)));
  }
}

void group_scales(const void* from, std::int64_t n, std::int64_t group, std::int64_t count,
                  float* values) {
  const auto& args = *static_cast<const LinearW4A16Args*>(from);
  const std::int64_t at = n * (args.x.cols / args.group_size) + group;
  parameters_to_fp32(args.scale, args.scale_dtype, at, count, values);
}

}  // namespace

void linear_w4a16_avx512(const LinearW4A16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  job.group = args.group_size;
  job.group_scales = group_scales;
  if (args.zero != nullptr || args.zero_point != nullptr) job.group_zeros = group_zeros;
  multiply(job, NibbleCodes(kInt4Bf16), args.weight);
}

}  // namespace lowp::kernels
