#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/intx_avx512_inl.h"
#include "kernels/linear_common/panel_blocks_avx512_inl.h"
#include "kernels/linear_mxfp6/implementations.h"
// The formats come first.
#include "kernels/linear_mxfp6/avx512_inl.h"

namespace lowp::kernels {
namespace {

struct Fp6Codes : Bf16Sums {
  static constexpr std::int64_t kCodes = 32;
  static constexpr std::int64_t kBytes = kBlockBytes;
  static constexpr int kParts = 1;
  static constexpr int kInterleave = 1;
  Fp6Words words;
  explicit Fp6Codes(DType element) : words(element) {}
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    parts[0] = words.bf16(load_codes_32(codes, bytes));
  }
};

// The block's scale is exact in bf16 with the code, but for the ends of e8m0's range. Between them
// the scale's exponent is added to those of the table; a block is a vector.
constexpr int kLeast = 5;   // 0.0625, the smallest element, is normal with it
constexpr int kMost = 250;  // and 28, the largest, finite

void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  constexpr __mmask32 kNonzero = 0xFFFFFFFE;
  const auto& args = *static_cast<const LinearMxfp6Args*>(from);
  const Fp6Words words(args.element);
  const std::uint8_t* codes = codes_at(args, row, k_begin);
  const std::uint8_t* scale = args.weight_scale + (row * args.x.cols + k_begin) / kBlock;
  for (; k_begin < k_end; k_begin += kBlock, ++scale, codes += kBlockBytes, steps += kBlock / 2) {
    const int exponent = *scale;
    const bool normal = exponent >= kLeast && exponent <= kMost;
    const auto shift = static_cast<short>(normal ? (exponent - 127) * 128 : 0);
    const __m512i scaled = _mm512_mask_add_epi16(words.magnitudes, kNonzero, words.magnitudes,
                                                 _mm512_set1_epi16(shift));
    _mm512_storeu_si512(steps, words.bf16(load_codes_32(codes, kBlockBytes), scaled));
    if (!normal) {
      alignas(64) float value[kLanes];
      e8m0_scales(scale, 1, value);
      scale_bf16_steps(steps, kBlock, kBlock, value);
    }
  }
}

struct ScaledPanel : Bf16Panel {
  static constexpr std::int64_t kBits = 6;
  static constexpr std::int64_t kChunkBytes = 2 * kBlockBytes;
  template <class Format>
  alignas(64) static constexpr auto kTable = times_power<kMost - 127>(kFp6Bf16<Format>);
  IntxWindows<6> windows;
  Ints table;
  E8m0Blocks<kLeast, kMost> scales;
  ScaledPanel(const LinearJob& job, std::int64_t n, std::int64_t k_begin, std::int64_t k_end)
      : table(_mm512_load_si512(args_of(job).element == DType::kF6E2M3 ? kTable<E2m3>.data()
                                                                       : kTable<E3m2>.data())),
        scales(job, args_of(job).weight_scale, n, k_begin, k_end) {}
  static const LinearMxfp6Args& args_of(const LinearJob& job) {
    return *static_cast<const LinearMxfp6Args*>(job.args);
  }

  Ints row(const std::uint8_t* codes) const {
    return windows.decode(_mm512_maskz_loadu_epi8(first_64_lanes(kChunkBytes), codes));
  }

  bool unpack(const Ints* dwords, std::int64_t tile, Ints* steps) const {
    Ints below;
    if (!scales.below_most(tile, below)) [[unlikely]]
      return false;
    const auto step = [&](Ints words) {
      return with_signs(_mm512_subs_epu16(_mm512_permutexvar_epi16(words, table), below),
                        _mm512_slli_epi16(words, 10));
    };
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      steps[2 * i] = step(shuffle_dwords(dwords[i], 0x01010000));
      steps[2 * i + 1] = step(shuffle_dwords(dwords[i], 0x03030202));
    }
    return true;
  }
};

// Scales are in the steps.
LinearJob scaled_job_of(const LinearMxfp6Args& args) {
  LinearJob job = job_of<Fp6Codes>(args);
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  return job;
}

}  // namespace

void linear_mxfp6_amx(const LinearMxfp6Args& args) {
  LinearJob job = scaled_job_of(args);
  set_amx_panel<ScaledPanel>(job, args.weight);
  linear_panels_amx(job);
}

void linear_mxfp6_avx512_bf16(const LinearMxfp6Args& args) {
  const LinearJob job = job_of<Fp6Codes>(args);
  if (fits_few_rows<Fp6Codes>(job)) {
    multiply_few_rows(job, Fp6Codes(args.element), args.weight);
  } else {
    linear_panels_avx512_bf16(scaled_job_of(args));
  }
}

}  // namespace lowp::kernels
