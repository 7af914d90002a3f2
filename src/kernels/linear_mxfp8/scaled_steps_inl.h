// MXFP8 as bf16 steps. A file of a bf16 level includes its formats first.
#pragma once

#include <cstdint>

#include "kernels/linear_common/panel_blocks_avx512_inl.h"

namespace lowp::kernels {
namespace {

constexpr int kLeast = 10;  // 2^-9, the smallest element, is normal with this scale
constexpr int kMost = 246;  // and 448, the largest, finite

// Element and scale are exact in bf16 together, but for the ends of e8m0's range. Between them the
// scale's exponent is added to the element's; a block is a vector.
inline void mxfp8_steps(const std::uint8_t* codes, const std::uint8_t* scale, std::int64_t columns,
                        std::int32_t* steps) {
  constexpr std::int64_t kColumns = 32;
  const E4m3Table table;
  for (std::int64_t k = 0; k < columns; k += kColumns) {
    const int exponent = scale[k / kColumns];
    const __m512i words = _mm512_cvtepu8_epi16(load_codes_32(codes + k, kColumns));
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
      e8m0_scales(scale + k / kColumns, 1, value);
      scale_bf16_steps(steps + k / 2, kColumns, kColumns, value);
    }
  }
}

// Of Args with a weight and its scales.
template <class Args>
struct Mxfp8Panel : Bf16Panel {
  static constexpr std::int64_t kBits = 8;
  static constexpr int kPower = kMost - 127;
  alignas(64) static constexpr auto kSpecial = times_power<kPower>(kE4m3Special);
  E4m3Steps codes{_mm512_set1_epi16(E4m3Table::kExponentShift + kPower * 128),
                  _mm512_load_si512(kSpecial.data())};
  E8m0Blocks<kLeast, kMost> scales;
  Mxfp8Panel(const LinearJob& job, std::int64_t n, std::int64_t k_begin, std::int64_t k_end)
      : scales(job, static_cast<const Args*>(job.args)->weight_scale, n, k_begin, k_end) {}

  bool unpack(const Ints* dwords, std::int64_t tile, Ints* steps) const {
    Ints below;
    if (E4m3Steps::has_nan(dwords) || !scales.below_most(tile, below)) [[unlikely]]
      return false;
    const auto step = [&](Ints words) {
      return with_signs(_mm512_subs_epu16(codes.magnitudes(words), below), words);
    };
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      steps[2 * i] = step(shuffle_dwords(dwords[i], 0x01010000));
      steps[2 * i + 1] = step(shuffle_dwords(dwords[i], 0x03030202));
    }
    return true;
  }
};

}  // namespace
}  // namespace lowp::kernels
