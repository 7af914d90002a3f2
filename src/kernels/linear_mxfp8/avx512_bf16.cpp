#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_mxfp8/implementations.h"
#include "kernels/linear_mxfp8/job_inl.h"

namespace lowp::kernels {
namespace {

// Element and scale are exact in bf16 together, but for the ends of e8m0's range. Between them the
// scale's exponent is added to the element's; a block is a vector.
void scaled_steps(const std::uint8_t* codes, const std::uint8_t* scale, std::int64_t columns,
                  std::int32_t* steps) {
  constexpr int kLeast = 10;  // 2^-9, the smallest element, is normal with it
  constexpr int kMost = 246;  // and 448, the largest, finite
  const E4m3Table table;
  for (std::int64_t k = 0; k < columns; k += kBlock) {
    const int exponent = scale[k / kBlock];
    const __m512i words = _mm512_cvtepu8_epi16(load_codes_32(codes + k, kBlock));
    __m512i magnitudes = table.magnitudes(words);
    const bool normal = exponent >= kLeast && exponent <= kMost;
    if (normal) {
      const __m512i code = _mm512_and_si512(words, _mm512_set1_epi16(0x7F));
      const __mmask32 nonzero_and_finite = _mm512_cmplt_epu16_mask(
          _mm512_sub_epi16(code, _mm512_set1_epi16(1)), _mm512_set1_epi16(126));
      magnitudes =
          _mm512_mask_add_epi16(magnitudes, nonzero_and_finite, magnitudes,
                                _mm512_set1_epi16(static_cast<short>((exponent - 127) * 128)));
    }
    _mm512_storeu_si512(steps + k / 2, with_signs(magnitudes, _mm512_slli_epi16(words, 8)));
    if (!normal) {
      alignas(64) float value[kLanes];
      e8m0_scales(scale + k / kBlock, 1, value);
      scale_bf16_steps(steps + k / 2, kBlock, kBlock, value);
    }
  }
}

void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::int64_t at = row * args.k + k_begin;
  scaled_steps(args.weight + at, args.weight_scale + at / kBlock, k_end - k_begin, steps);
}

void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
              std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::int64_t at = row * args.k + k_begin;
  scaled_steps(args.x + at, args.x_scale + at / kBlock, k_end - k_begin, steps);
}

// Scales are in the steps.
LinearJob scaled_job_of(const LinearMxfp8Args& args) {
  LinearJob job = job_of<E4m3Codes>(args, decode_x);
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  return job;
}

}  // namespace

void linear_mxfp8_amx(const LinearMxfp8Args& args) { linear_panels_amx(scaled_job_of(args)); }

void linear_mxfp8_avx512_bf16(const LinearMxfp8Args& args) {
  const LinearJob job = job_of<E4m3Codes>(args, decode_x);
  if (fits_few_rows<E4m3Codes>(job)) {
    multiply_few_rows(job, E4m3Codes{}, args.weight);
  } else {
    linear_panels_avx512_bf16(scaled_job_of(args));
  }
}

}  // namespace lowp::kernels
