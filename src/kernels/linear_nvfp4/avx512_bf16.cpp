#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/panel_blocks_avx512_inl.h"
#include "kernels/linear_nvfp4/implementations.h"
#include "kernels/linear_nvfp4/job_inl.h"

namespace lowp::kernels {
namespace {

// e2m1 * e4m3 has six significant bits: exact in bf16. A vector holds two blocks, for which a table
// of 16 products each is made.
void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  const auto& args = *static_cast<const LinearNvfp4Args*>(from);
  const std::uint8_t* codes = args.weight + (row * args.x.cols + k_begin) / 2;
  const std::int64_t columns = k_end - k_begin;
  constexpr std::int64_t kMostColumns = 512;                 // AMX asks for so many, others for 256
  alignas(64) float scales[kMostColumns / kBlock + kLanes];  // zero behind the last
  group_scales(from, row, 1, k_begin / kBlock, columns / kBlock, scales);
  const __m512 values =
      bf16_to_fp32(_mm256_load_si256(reinterpret_cast<const __m256i*>(kE2m1Bf16.data())));
  const __m512i second = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(16), 1);
  for (std::int64_t k = 0; k < columns; k += 2 * kBlock) {
    const float* scale = scales + k / kBlock;
    const auto table = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(
        multiply(values, broadcast(scale[1])), multiply(values, broadcast(scale[0]))));
    const __m512i bytes = _mm512_cvtepu8_epi32(load_codes_16(codes + k / 2, (columns - k) / 2));
    constexpr int kAndOr = 0xEA;  // (a & b) | c
    const __m512i index =
        _mm512_ternarylogic_epi32(_mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 12)),
                                  _mm512_set1_epi16(15), second, kAndOr);
    _mm512_storeu_si512(steps + k / 2, _mm512_permutexvar_epi16(index, table));
  }
}

struct ScaledPanel : Bf16Panel {
  static constexpr std::int64_t kBits = 4;
  FieldShifts<4> fields;
  Ints table = _mm512_load_si512(kE2m1Bf16.data());
  BlockBytes<kBlock> scales;
  ScaledPanel(const LinearJob& job, std::int64_t n, std::int64_t k_begin, std::int64_t k_end)
      : scales(job, static_cast<const LinearNvfp4Args*>(job.args)->weight_block_scale, n, k_begin,
               k_end) {}

  bool unpack(const Ints* dwords, std::int64_t tile, Ints* steps) const {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) fields.split(dwords[i], steps + 4 * i);
#pragma GCC unroll 2
    for (int block = 0; block < 2; ++block) {
      const Ints bytes = load_ints(scales.blocks[2 * tile + block]);
      const Floats scale = e4m3_to_fp32(_mm512_cvtepi32_epi8(bytes));
#pragma GCC unroll 8
      for (int i = 8 * block; i < 8 * block + 8; ++i) {
        const Ints words = _mm512_permutexvar_epi16(steps[i], table);
        const Ints even = _mm512_castps_si512(multiply(even_to_fp32(words), scale));
        const Ints odd = _mm512_castps_si512(multiply(odd_to_fp32(words), scale));
        steps[i] = _mm512_or_si512(_mm512_srli_epi32(even, 16), odd);
      }
    }
    return true;
  }
};

LinearJob job_of(const LinearNvfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(args, job);
  return job;
}

// Scales are in the steps.
LinearJob scaled_job_of(const LinearNvfp4Args& args) {
  LinearJob job = job_of(args);
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  return job;
}

}  // namespace

void linear_nvfp4_amx(const LinearNvfp4Args& args) {
  LinearJob job = scaled_job_of(args);
  set_amx_panel<ScaledPanel>(job, args.weight);
  linear_panels_amx(job);
}

void linear_nvfp4_avx512_bf16(const LinearNvfp4Args& args) {
  const LinearJob job = job_of(args);
  if (fits_few_rows<NibbleCodes>(job)) {
    multiply_few_rows(job, NibbleCodes(kE2m1Bf16), args.weight);
  } else {
    linear_panels_avx512_bf16(scaled_job_of(args));
  }
}

}  // namespace lowp::kernels
