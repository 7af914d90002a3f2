#include <immintrin.h>

#include <algorithm>
#include <array>

#include "kernels/distortion/implementations.h"

namespace lowp::kernels {
namespace {

struct Doubles {
  __m512d low = _mm512_setzero_pd();   // lanes 0 to 7
  __m512d high = _mm512_setzero_pd();  // lanes 8 to 15
};

// Lane i has columns i mod 16 of each block.
struct Lanes {
  Doubles signal;
  Doubles noise;
  __m512 max_error = _mm512_setzero_ps();
  __m512i clipped = _mm512_setzero_si512();
  __m512i zeros = _mm512_setzero_si512();
  __m512i non_finite = _mm512_setzero_si512();
  __m512i bad_values = _mm512_setzero_si512();
};

struct BF16 {
  static constexpr int kBytes = 2;
  static __m512 load(const std::byte* data, __mmask16 mask) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, data));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
};

struct F16 {
  static constexpr int kBytes = 2;
  static __m512 load(const std::byte* data, __mmask16 mask) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, data));
  }
};

struct F32 {
  static constexpr int kBytes = 4;
  static __m512 load(const std::byte* data, __mmask16 mask) {
    return _mm512_maskz_loadu_ps(mask, data);
  }
};

__mmask16 finite_lanes(__m512 x) {
  const __m512i magnitude = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7FFFFFFF));
  return _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(0x7F800000));
}

void count(__m512i& counts, __mmask16 mask) {
  counts = _mm512_mask_add_epi32(counts, mask, counts, _mm512_set1_epi32(1));
}

// The square of a float is exact in double, so the fused sum is the plain one.
void add_squares(Doubles& sums, __m512 x) {
  const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
  const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
  sums.low = _mm512_fmadd_pd(low, low, sums.low);
  sums.high = _mm512_fmadd_pd(high, high, sums.high);
}

[[gnu::always_inline]] inline void accumulate(Lanes& lanes, __m512 x, __m512 y, __m512 low,
                                              __m512 high) {
  const __m512 zero = _mm512_setzero_ps();
  const __mmask16 x_finite = finite_lanes(x);
  const __mmask16 y_finite = finite_lanes(y);
  const __mmask16 both = x_finite & y_finite;
  const __m512 error = _mm512_maskz_sub_ps(both, x, y);
  add_squares(lanes.signal, _mm512_maskz_mov_ps(both, x));
  add_squares(lanes.noise, error);
  lanes.max_error = _mm512_max_ps(lanes.max_error, _mm512_abs_ps(error));
  const __mmask16 outside = _mm512_mask_cmp_ps_mask(both, x, low, _CMP_LT_OQ) |
                            _mm512_mask_cmp_ps_mask(both, x, high, _CMP_GT_OQ);
  count(lanes.clipped, outside);
  const __mmask16 was_not_zero = _mm512_mask_cmp_ps_mask(both, x, zero, _CMP_NEQ_UQ);
  count(lanes.zeros, _mm512_mask_cmp_ps_mask(was_not_zero, y, zero, _CMP_EQ_OQ));
  count(lanes.non_finite, static_cast<__mmask16>(~x_finite));
  count(lanes.bad_values, static_cast<__mmask16>(x_finite & ~y_finite));
}

// The same for finite x, y and error, a third shorter. Where one is not so, max_error has bits of
// Inf or NaN in the end, which are above those of all numbers, and the other sums are wrong.
[[gnu::always_inline]] inline void accumulate_finite(Lanes& lanes, __m512 x, __m512 y, __m512 low,
                                                     __m512 high) {
  const __m512 zero = _mm512_setzero_ps();
  const __m512 error = _mm512_sub_ps(x, y);
  add_squares(lanes.signal, x);
  add_squares(lanes.noise, error);
  lanes.max_error = _mm512_castsi512_ps(_mm512_max_epi32(
      _mm512_castps_si512(lanes.max_error), _mm512_castps_si512(_mm512_abs_ps(error))));
  count(lanes.clipped,
        _mm512_cmp_ps_mask(x, low, _CMP_LT_OQ) | _mm512_cmp_ps_mask(x, high, _CMP_GT_OQ));
  const __mmask16 was_not_zero = _mm512_cmp_ps_mask(x, zero, _CMP_NEQ_UQ);
  count(lanes.zeros, _mm512_mask_cmp_ps_mask(was_not_zero, y, zero, _CMP_EQ_OQ));
}

template <class Element, bool kFinite>
[[gnu::always_inline]] inline void accumulate_step(Lanes& lanes, const std::byte* x, const float* y,
                                                   __mmask16 mask, __m512 low, __m512 high) {
  const __m512 x_step = Element::load(x, mask);
  const __m512 y_step = _mm512_maskz_loadu_ps(mask, y);
  if constexpr (kFinite) {
    accumulate_finite(lanes, x_step, y_step, low, high);
  } else {
    accumulate(lanes, x_step, y_step, low, high);
  }
}

template <class Element, bool kFinite>
[[gnu::always_inline]] inline void accumulate_row(Lanes& lanes, const DistortionArgs& args,
                                                  std::int64_t row) {
  const auto* x =
      static_cast<const std::byte*>(args.x.data) + row * args.x.stride * Element::kBytes;
  const float* y = args.y + row * args.x.cols;
  const std::int64_t blocks = (args.x.cols + args.block_cols - 1) / args.block_cols;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const __m512 low = _mm512_set1_ps(args.low[row * blocks + block]);
    const __m512 high = _mm512_set1_ps(args.high[row * blocks + block]);
    const std::int64_t end = std::min(args.x.cols, (block + 1) * args.block_cols);
    std::int64_t col = block * args.block_cols;
    for (; col + 16 <= end; col += 16) {
      accumulate_step<Element, kFinite>(lanes, x + col * Element::kBytes, y + col, 0xFFFF, low,
                                        high);
    }
    if (col < end) {
      const auto mask = static_cast<__mmask16>((1 << (end - col)) - 1);
      accumulate_step<Element, kFinite>(lanes, x + col * Element::kBytes, y + col, mask, low, high);
    }
  }
}

template <class Element, bool kFinite>
Lanes accumulate_rows(const DistortionArgs& args) {
  Lanes lanes;
  for (std::int64_t row = 0; row < args.x.rows; ++row) {
    accumulate_row<Element, kFinite>(lanes, args, row);
  }
  return lanes;
}

std::int64_t total(__m512i counts) {
  std::array<std::int32_t, 16> values;
  _mm512_storeu_si512(values.data(), counts);
  std::int64_t sum = 0;
  for (const std::int32_t value : values) sum += value;
  return sum;
}

void add_in_order(double& sum, const Doubles& lanes) {
  std::array<double, 16> values;
  _mm512_storeu_pd(values.data(), lanes.low);
  _mm512_storeu_pd(values.data() + 8, lanes.high);
  for (const double value : values) sum += value;
}

template <class Element>
void run(const DistortionArgs& args) {
  Lanes lanes = accumulate_rows<Element, true>(args);
  if (_mm512_reduce_max_epi32(_mm512_castps_si512(lanes.max_error)) >= 0x7F800000) {
    lanes = accumulate_rows<Element, false>(args);
  }
  DistortionSums& sums = *args.sums;
  add_in_order(sums.signal, lanes.signal);
  add_in_order(sums.noise, lanes.noise);
  sums.max_error = std::max(sums.max_error, _mm512_reduce_max_ps(lanes.max_error));
  sums.clipped += total(lanes.clipped);
  sums.zeros += total(lanes.zeros);
  sums.non_finite += total(lanes.non_finite);
  sums.bad_values += total(lanes.bad_values);
}

}  // namespace

void distortion_avx512(const DistortionArgs& args) {
  if (args.x.dtype == DType::kBF16) return run<BF16>(args);
  if (args.x.dtype == DType::kF16) return run<F16>(args);
  run<F32>(args);
}

}  // namespace lowp::kernels
