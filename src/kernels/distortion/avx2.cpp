#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/distortion/implementations.h"

namespace lowp::kernels {
namespace {

constexpr int kStep = 16;  // lanes of the sums, on every level

// Eight columns of each step
struct Half {
  __m256d low = _mm256_setzero_pd();
  __m256d high = _mm256_setzero_pd();
};

// The counts and the maximum have no order: both halves share them, or there were too few
// registers.
struct Lanes {
  std::array<Half, 2> signal;
  std::array<Half, 2> noise;
  __m256i max_error = _mm256_setzero_si256();  // bits of floats that are not negative
  __m256i clipped = _mm256_setzero_si256();    // counted downwards: a true comparison is -1
  __m256i zeros = _mm256_setzero_si256();
  __m256i non_finite = _mm256_setzero_si256();
  __m256i bad_values = _mm256_setzero_si256();
};

struct BF16 {
  static constexpr int kBytes = 2;
  static __m256 load(const std::byte* data) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(codes), 16));
  }
};

struct F16 {
  static constexpr int kBytes = 2;
  static __m256 load(const std::byte* data) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data)));
  }
};

struct F32 {
  static constexpr int kBytes = 4;
  static __m256 load(const std::byte* data) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(data));
  }
};

__m256i magnitude(__m256 x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7FFFFFFF));
}

// The square of a float is exact in double, so the fused sum is the plain one.
[[gnu::always_inline]] inline void add_squares(Half& sums, __m256 x) {
  const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
  const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
  sums.low = _mm256_fmadd_pd(low, low, sums.low);
  sums.high = _mm256_fmadd_pd(high, high, sums.high);
}

[[gnu::always_inline]] inline void count(__m256i& counts, __m256 mask) {
  counts = _mm256_add_epi32(counts, _mm256_castps_si256(mask));
}

// x, y and the error count only where both are finite.
[[gnu::always_inline]] inline void accumulate(Lanes& lanes, std::size_t half, __m256 x, __m256 y,
                                              __m256 low, __m256 high) {
  const __m256i infinite = _mm256_set1_epi32(0x7F800000);
  const __m256i x_finite = _mm256_cmpgt_epi32(infinite, magnitude(x));
  const __m256i y_finite = _mm256_cmpgt_epi32(infinite, magnitude(y));
  const __m256 both = _mm256_castsi256_ps(_mm256_and_si256(x_finite, y_finite));
  const __m256 error = _mm256_and_ps(both, _mm256_sub_ps(x, y));
  const __m256 zero = _mm256_setzero_ps();
  add_squares(lanes.signal[half], _mm256_and_ps(both, x));
  add_squares(lanes.noise[half], error);
  lanes.max_error = _mm256_max_epi32(lanes.max_error, magnitude(error));
  const __m256 outside =
      _mm256_or_ps(_mm256_cmp_ps(x, low, _CMP_LT_OQ), _mm256_cmp_ps(x, high, _CMP_GT_OQ));
  const __m256 became_zero =
      _mm256_and_ps(_mm256_cmp_ps(x, zero, _CMP_NEQ_UQ), _mm256_cmp_ps(y, zero, _CMP_EQ_OQ));
  count(lanes.clipped, _mm256_and_ps(both, outside));
  count(lanes.zeros, _mm256_and_ps(both, became_zero));
  const __m256i all = _mm256_set1_epi32(-1);
  lanes.non_finite = _mm256_add_epi32(lanes.non_finite, _mm256_xor_si256(x_finite, all));
  lanes.bad_values = _mm256_add_epi32(lanes.bad_values, _mm256_andnot_si256(y_finite, x_finite));
}

// The same for finite x, y and error, half as long. Where one is not so, max_error has bits of Inf
// or NaN in the end, which are above those of all numbers, and the other sums are wrong.
[[gnu::always_inline]] inline void accumulate_finite(Lanes& lanes, std::size_t half, __m256 x,
                                                     __m256 y, __m256 low, __m256 high) {
  const __m256 error = _mm256_sub_ps(x, y);
  const __m256 zero = _mm256_setzero_ps();
  add_squares(lanes.signal[half], x);
  add_squares(lanes.noise[half], error);
  lanes.max_error = _mm256_max_epi32(lanes.max_error, magnitude(error));
  count(lanes.clipped,
        _mm256_or_ps(_mm256_cmp_ps(x, low, _CMP_LT_OQ), _mm256_cmp_ps(x, high, _CMP_GT_OQ)));
  count(lanes.zeros,
        _mm256_and_ps(_mm256_cmp_ps(x, zero, _CMP_NEQ_UQ), _mm256_cmp_ps(y, zero, _CMP_EQ_OQ)));
}

template <class Element, bool kFinite>
[[gnu::always_inline]] inline void accumulate_step(Lanes& lanes, const std::byte* x, const float* y,
                                                   __m256 low, __m256 high) {
  for (std::size_t half = 0; half < 2; ++half) {
    const __m256 x_half = Element::load(x + half * 8 * Element::kBytes);
    const __m256 y_half = _mm256_loadu_ps(y + half * 8);
    if constexpr (kFinite) {
      accumulate_finite(lanes, half, x_half, y_half, low, high);
    } else {
      accumulate(lanes, half, x_half, y_half, low, high);
    }
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
    const __m256 low = _mm256_set1_ps(args.low[row * blocks + block]);
    const __m256 high = _mm256_set1_ps(args.high[row * blocks + block]);
    const std::int64_t end = std::min(args.x.cols, (block + 1) * args.block_cols);
    std::int64_t col = block * args.block_cols;
    for (; col + kStep <= end; col += kStep) {
      accumulate_step<Element, kFinite>(lanes, x + col * Element::kBytes, y + col, low, high);
    }
    if (col < end) {
      const auto rest = static_cast<std::size_t>(end - col);
      std::array<std::byte, kStep * Element::kBytes> x_step{};
      std::array<float, kStep> y_step{};
      std::memcpy(x_step.data(), x + col * Element::kBytes, rest * Element::kBytes);
      std::memcpy(y_step.data(), y + col, rest * sizeof(float));
      accumulate_step<Element, kFinite>(lanes, x_step.data(), y_step.data(), low, high);
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

std::array<std::int32_t, 8> values_of(__m256i lanes) {
  std::array<std::int32_t, 8> values;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(values.data()), lanes);
  return values;
}

std::int64_t total(__m256i counts) {
  std::int64_t sum = 0;
  for (const std::int32_t value : values_of(counts)) sum -= value;
  return sum;
}

float largest(__m256i float_bits) {
  const std::array<std::int32_t, 8> values = values_of(float_bits);
  const std::int32_t bits = *std::max_element(values.begin(), values.end());
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

void add_in_order(double& sum, const std::array<Half, 2>& lanes) {
  for (const Half& half : lanes) {
    std::array<double, 8> values;
    _mm256_storeu_pd(values.data(), half.low);
    _mm256_storeu_pd(values.data() + 4, half.high);
    for (const double value : values) sum += value;
  }
}

template <class Element>
void run(const DistortionArgs& args) {
  Lanes lanes = accumulate_rows<Element, true>(args);
  if (!(largest(lanes.max_error) < __builtin_inff())) {
    lanes = accumulate_rows<Element, false>(args);
  }
  DistortionSums& sums = *args.sums;
  add_in_order(sums.signal, lanes.signal);
  add_in_order(sums.noise, lanes.noise);
  sums.max_error = std::max(sums.max_error, largest(lanes.max_error));
  sums.clipped += total(lanes.clipped);
  sums.zeros += total(lanes.zeros);
  sums.non_finite += total(lanes.non_finite);
  sums.bad_values += total(lanes.bad_values);
}

}  // namespace

void distortion_avx2(const DistortionArgs& args) {
  if (args.x.dtype == DType::kBF16) return run<BF16>(args);
  if (args.x.dtype == DType::kF16) return run<F16>(args);
  run<F32>(args);
}

}  // namespace lowp::kernels
