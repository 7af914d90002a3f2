#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_w4a16/implementations.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW4A16Args*>(from);
  const std::uint8_t* codes = args.weight + (row * args.x.cols + k_begin) / 2;
  const __m512i table = _mm512_load_si512(kInt4Bf16.data());
  store_bf16(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return nibbles_to_words(load_codes_16(codes + i / 2, left / 2), table);
  });
}

void group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                  std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearW4A16Args*>(from);
  convert_groups(args.x.cols / args.group_size, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   parameters_to_fp32(args.scale, args.scale_dtype, at, length, to);
                 });
}

// values *= -zero_point
void multiply_zero_points(const std::int8_t* zero_points, std::int64_t count, float* values) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const __m512i codes = _mm512_cvtepi8_epi32(load_codes_16(zero_points + i, count - i));
    const __m512 minus = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_setzero_si512(), codes));
    _mm512_storeu_ps(values + i, _mm512_mul_ps(minus, _mm512_loadu_ps(values + i)));
  }
}

// zero, or -zero_point * scale
void group_zeros(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                 std::int64_t count, float* values) {
  const auto& args = *static_cast<const LinearW4A16Args*>(from);
  convert_groups(args.x.cols / args.group_size, n, rows, group, count, values,
                 [&](std::int64_t at, std::int64_t length, float* to) {
                   const bool floats = args.zero != nullptr;
                   parameters_to_fp32(floats ? args.zero : args.scale, args.scale_dtype, at, length,
                                      to);
                   if (!floats) multiply_zero_points(args.zero_point + at, length, to);
                 });
}

}  // namespace

void linear_w4a16_avx512_bf16(const LinearW4A16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  job.group = args.group_size;
  job.group_scales = group_scales;
  if (args.zero != nullptr || args.zero_point != nullptr) job.group_zeros = group_zeros;
  multiply(job, NibbleCodes(kInt4Bf16), args.weight);
}

}  // namespace lowp::kernels
