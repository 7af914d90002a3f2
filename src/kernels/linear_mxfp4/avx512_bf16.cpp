#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/panel_blocks_avx512_inl.h"
#include "kernels/linear_mxfp4/implementations.h"
#include "kernels/linear_mxfp4/job_inl.h"

namespace lowp::kernels {
namespace {

// The block's scale is exact in bf16 with the code, but for the ends of e8m0's range. Between them
// the scale's exponent is added to those of the table; a block is a vector.
constexpr int kLeast = 2;   // 0.5, the smallest element, is normal with it
constexpr int kMost = 252;  // and 6, the largest, finite

void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  constexpr __mmask32 kNonzero = 0xFEFEFEFE;
  const auto& args = *static_cast<const LinearMxfp4Args*>(from);
  const std::int64_t at = row * args.x.cols + k_begin;
  const std::uint8_t* codes = args.weight + at / 2;
  const std::uint8_t* scale = args.weight_scale + at / kBlock;
  const __m512i table = _mm512_load_si512(kE2m1Bf16.data());
  for (std::int64_t k = 0; k < k_end - k_begin; k += kBlock) {
    const int exponent = scale[k / kBlock];
    const bool normal = exponent >= kLeast && exponent <= kMost;
    const auto shift = static_cast<short>(normal ? (exponent - 127) * 128 : 0);
    const __m512i scaled = _mm512_mask_add_epi16(table, kNonzero, table, _mm512_set1_epi16(shift));
    _mm512_storeu_si512(steps + k / 2,
                        nibbles_to_words(load_codes_16(codes + k / 2, kLanes), scaled));
    if (!normal) {
      alignas(64) float value[kLanes];
      e8m0_scales(scale + k / kBlock, 1, value);
      scale_bf16_steps(steps + k / 2, kBlock, kBlock, value);
    }
  }
}

struct ScaledPanel : Bf16Panel {
  static constexpr std::int64_t kBits = 4;
  alignas(64) static constexpr auto kTable = times_power<kMost - 127>(kE2m1Bf16);
  FieldShifts<4> fields;
  Ints table = _mm512_load_si512(kTable.data());
  E8m0Blocks<kLeast, kMost> scales;
  ScaledPanel(const LinearJob& job, std::int64_t n, std::int64_t k_begin, std::int64_t k_end)
      : scales(job, static_cast<const LinearMxfp4Args*>(job.args)->weight_scale, n, k_begin,
               k_end) {}

  bool unpack(const Ints* dwords, std::int64_t tile, Ints* steps) const {
    Ints below;
    if (!scales.below_most(tile, below)) [[unlikely]]
      return false;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) fields.split(dwords[i], steps + 4 * i);
#pragma GCC unroll 16
    for (int i = 0; i < kTileSteps; ++i) {
      steps[i] = _mm512_subs_epu16(_mm512_permutexvar_epi16(steps[i], table), below);
    }
    return true;
  }
};

LinearJob job_of(const LinearMxfp4Args& args) {
  LinearJob job = job_of_matrix(args);
  set_weight<NibbleCodes>(job);
  return job;
}

// Scales are in the steps.
LinearJob scaled_job_of(const LinearMxfp4Args& args) {
  LinearJob job = job_of(args);
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  return job;
}

}  // namespace

void linear_mxfp4_amx(const LinearMxfp4Args& args) {
  LinearJob job = scaled_job_of(args);
  set_amx_panel<ScaledPanel>(job, args.weight);
  linear_panels_amx(job);
}

void linear_mxfp4_avx512_bf16(const LinearMxfp4Args& args) {
  const LinearJob job = job_of(args);
  if (fits_few_rows<NibbleCodes>(job)) {
    multiply_few_rows(job, NibbleCodes(kE2m1Bf16), args.weight);
  } else {
    linear_panels_avx512_bf16(scaled_job_of(args));
  }
}

}  // namespace lowp::kernels
