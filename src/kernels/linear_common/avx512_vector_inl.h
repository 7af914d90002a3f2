// 16 fp32 lanes from and to matrix elements. For files of AVX-512 levels: everything here has
// internal linkage, so each of them keeps its own copy under its own flags.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/linear_common/sizes_inl.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kLanes = 16;

using Floats = __m512;
using Ints = __m512i;
using Lanes = __mmask16;

// Sums of integer products. In arrays of __m512i, whose lanes are 64 bits to the compiler, they
// would be stored after every step.
using Int32s = std::int32_t __attribute__((vector_size(64)));

// The first `count` lanes, all of them from 16 on, none below 1.
inline __mmask16 first_lanes(std::int64_t count) {
  if (count >= kLanes) return static_cast<__mmask16>(0xFFFF);
  return count <= 0 ? static_cast<__mmask16>(0) : static_cast<__mmask16>((1U << count) - 1U);
}

inline __mmask32 first_32_lanes(std::int64_t count) {
  if (count >= 32) return 0xFFFFFFFFU;
  return count <= 0 ? 0U : (1U << count) - 1U;
}

inline __mmask64 first_64_lanes(std::int64_t count) {
  if (count >= 64) return ~0ULL;
  return count <= 0 ? 0ULL : (1ULL << count) - 1ULL;
}

// A value that the compiler may neither make again, as it would constants at each use, nor move
// additions past.
[[gnu::always_inline]] inline Ints in_register(Ints value) {
  asm("" : "+v"(value));
  return value;
}

// What sources for all vector widths are written with; avx2_vector_inl.h has the same names.
inline Floats load_floats(const void* values) { return _mm512_loadu_ps(values); }
inline Floats load_floats(const float* values, Lanes lanes) {
  return _mm512_maskz_loadu_ps(lanes, values);
}
inline void store_floats(void* to, Floats values) { _mm512_storeu_ps(to, values); }
inline Ints load_ints(const void* values) { return _mm512_loadu_si512(values); }
inline Ints load_ints(const std::int32_t* values, Lanes lanes) {
  return _mm512_maskz_loadu_epi32(lanes, values);
}
inline void store_ints(void* to, Ints values) { _mm512_storeu_si512(to, values); }
inline Floats broadcast(float value) { return _mm512_set1_ps(value); }
inline Ints broadcast(std::int32_t value) { return _mm512_set1_epi32(value); }
inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats multiply_subtract(Floats a, Floats b, Floats c) { return _mm512_fmsub_ps(a, b, c); }
// The second operand where one is NaN.
inline Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats nearest_integer(Floats x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// x * 2^n, n an integer of at most 8 bits and a sign.
inline Floats multiply_by_power(Floats x, Floats n) { return _mm512_scalef_ps(x, n); }
inline float sum_of_lanes(Floats values) { return _mm512_reduce_add_ps(values); }
inline float max_of_lanes(Floats values) { return _mm512_reduce_max_ps(values); }
inline Floats select(Lanes lanes, Floats yes, Floats no) {
  return _mm512_mask_mov_ps(no, lanes, yes);
}
inline Ints select(Lanes lanes, Ints yes, Ints no) { return _mm512_mask_mov_epi32(no, lanes, yes); }
// Those of `lanes` where a is above b or one is NaN.
inline Lanes not_at_most(Lanes lanes, Floats a, Floats b) {
  return _mm512_mask_cmp_ps_mask(lanes, a, b, _CMP_NLE_UQ);
}
inline Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
inline Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
inline Ints multiply(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
inline Floats to_floats(Ints values) { return _mm512_cvtepi32_ps(values); }

inline __m512 bf16_to_fp32(__m256i codes) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(codes), 16));
}

// RNE; NaN becomes quiet. vcvtneps2bf16 would flush subnormals.
inline __m256i fp32_to_bf16(__m512 values) {
  const __m512i bits = _mm512_castps_si512(values);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7FFF));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x00400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
}

inline Floats load_lanes(const Matrix& matrix, std::int64_t row, std::int64_t col, Lanes mask) {
  const std::int64_t at = row * matrix.stride + col;
  if (matrix.dtype == DType::kF32) {
    return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(matrix.data) + at);
  }
  const __m256i codes =
      _mm256_maskz_loadu_epi16(mask, static_cast<const std::uint16_t*>(matrix.data) + at);
  return matrix.dtype == DType::kBF16 ? bf16_to_fp32(codes) : _mm512_cvtph_ps(codes);
}

inline void store_lanes(const MutableMatrix& matrix, std::int64_t row, std::int64_t col, Lanes mask,
                        Floats values) {
  const std::int64_t at = row * matrix.stride + col;
  if (matrix.dtype == DType::kF32) {
    _mm512_mask_storeu_ps(static_cast<float*>(matrix.data) + at, mask, values);
    return;
  }
  constexpr int kNearestEven = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  const __m256i codes =
      matrix.dtype == DType::kBF16 ? fp32_to_bf16(values) : _mm512_cvtps_ph(values, kNearestEven);
  _mm256_mask_storeu_epi16(static_cast<std::uint16_t*>(matrix.data) + at, mask, codes);
}

// Rounded to int8, saturated; NaN becomes 0.
inline void store_codes(std::int8_t* to, Lanes mask, Floats values) {
  const Floats numbers =
      _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(values, values, _CMP_ORD_Q), values);
  const Ints ints = _mm512_cvtps_epi32(min(broadcast(127.0F), max(broadcast(-128.0F), numbers)));
  _mm512_mask_cvtepi32_storeu_epi8(to, mask, ints);
}

}  // namespace
}  // namespace lowp::kernels
