// 8 fp32 lanes from and to matrix elements, under the names of avx512_vector_inl.h. For files of
// level avx2: internal linkage.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/linear_common/sizes_inl.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kLanes = 8;

using Floats = __m256;
using Ints = __m256i;

// There are no masks for 16-bit lanes: a run shorter than a vector goes through a buffer.
struct Lanes {
  std::int64_t count;
};

// Sums of integer products, as in avx512_vector_inl.h.
using Int32s = std::int32_t __attribute__((vector_size(32)));
using Int16s = std::int16_t __attribute__((vector_size(32)));

// The first `count` lanes, all of them from 8 on, none below 1.
inline Lanes first_lanes(std::int64_t count) {
  return {count >= kLanes ? kLanes : (count < 0 ? 0 : count)};
}

inline Ints dword_mask(Lanes lanes) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(lanes.count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// A value that the compiler may neither make again, as it would constants at each use, nor move
// additions past.
[[gnu::always_inline]] inline Ints in_register(Ints value) {
  asm("" : "+x"(value));
  return value;
}

inline Floats load_floats(const void* values) {
  return _mm256_loadu_ps(static_cast<const float*>(values));
}
inline Floats load_floats(const float* values, Lanes lanes) {
  return lanes.count == kLanes ? _mm256_loadu_ps(values)
                               : _mm256_maskload_ps(values, dword_mask(lanes));
}
inline void store_floats(void* to, Floats values) {
  _mm256_storeu_ps(static_cast<float*>(to), values);
}
inline Ints load_ints(const void* values) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(values));
}
inline Ints load_ints(const std::int32_t* values, Lanes lanes) {
  return _mm256_maskload_epi32(values, dword_mask(lanes));
}
inline void store_ints(void* to, Ints values) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), values);
}
inline Floats broadcast(float value) { return _mm256_set1_ps(value); }
inline Ints broadcast(std::int32_t value) { return _mm256_set1_epi32(value); }
inline Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
inline Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats multiply_subtract(Floats a, Floats b, Floats c) { return _mm256_fmsub_ps(a, b, c); }
inline Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
// sum + products, as one instruction: GCC 12 keeps sums of integers in memory too, and stores them
// after every step.
inline Int32s add_in_register(Int32s sum, Ints products) {
  asm("vpaddd %1, %0, %0" : "+x"(sum) : "x"(products));
  return sum;
}
inline Int16s add_in_register(Int16s sum, Ints products) {
  asm("vpaddw %1, %0, %0" : "+x"(sum) : "x"(products));
  return sum;
}
inline Ints subtract(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
inline Ints multiply(Ints a, Ints b) { return _mm256_mullo_epi32(a, b); }
inline Floats to_floats(Ints values) { return _mm256_cvtepi32_ps(values); }

// The second operand where one is NaN.
inline Floats max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm256_min_ps(a, b); }
inline Floats nearest_integer(Floats x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// x * 2^n, n an integer of at most 8 bits and a sign: two factors, so that each is a normal number.
inline Floats multiply_by_power(Floats x, Floats n) {
  const Ints power = _mm256_cvtps_epi32(n);
  const Ints half = _mm256_srai_epi32(power, 1);
  const auto factor = [](Ints exponent) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(add(exponent, broadcast(127)), 23));
  };
  return multiply(multiply(x, factor(half)), factor(subtract(power, half)));
}
inline Floats select(Lanes lanes, Floats yes, Floats no) {
  return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(dword_mask(lanes)));
}

// Lanes that a comparison chose.
struct Mask {
  Ints bits;
};
// Those of `lanes` where a is above b or one is NaN.
inline Mask not_at_most(Lanes lanes, Floats a, Floats b) {
  const Ints above = _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_NLE_UQ));
  return {_mm256_and_si256(above, dword_mask(lanes))};
}
inline Floats select(Mask mask, Floats yes, Floats no) {
  return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(mask.bits));
}
inline Ints select(Mask mask, Ints yes, Ints no) { return _mm256_blendv_epi8(no, yes, mask.bits); }

inline float max_of_lanes(Floats values) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

inline float sum_of_lanes(Floats values) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

inline Floats bf16_to_fp32(__m128i codes) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(codes), 16));
}

// RNE; NaN becomes quiet.
inline __m128i fp32_to_bf16(Floats values) {
  const Ints bits = _mm256_castps_si256(values);
  const Ints odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), broadcast(1));
  const Ints rounded = add(add(bits, odd), broadcast(0x7FFF));
  const Ints quiet = _mm256_or_si256(bits, broadcast(0x00400000));
  const Ints nan = _mm256_castps_si256(_mm256_cmp_ps(values, values, _CMP_UNORD_Q));
  const Ints words = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// Of `bytes` bytes, at most 32; zeros behind them.
inline Ints load_bytes_256(const void* data, std::int64_t bytes) {
  if (bytes >= 32) return load_ints(data);
  alignas(32) char buffer[32] = {};
  if (bytes > 0) std::memcpy(buffer, data, static_cast<std::size_t>(bytes));
  return load_ints(buffer);
}
inline __m128i load_bytes_128(const void* data, std::int64_t bytes) {
  if (bytes >= 16) return _mm_loadu_si128(static_cast<const __m128i*>(data));
  return _mm256_castsi256_si128(load_bytes_256(data, bytes));
}

inline Floats load_lanes(const Matrix& matrix, std::int64_t row, std::int64_t col, Lanes lanes) {
  const std::int64_t at = row * matrix.stride + col;
  if (matrix.dtype == DType::kF32) {
    return load_floats(static_cast<const float*>(matrix.data) + at, lanes);
  }
  const __m128i codes =
      load_bytes_128(static_cast<const std::uint16_t*>(matrix.data) + at, 2 * lanes.count);
  return matrix.dtype == DType::kBF16 ? bf16_to_fp32(codes) : _mm256_cvtph_ps(codes);
}

inline void store_lanes(const MutableMatrix& matrix, std::int64_t row, std::int64_t col,
                        Lanes lanes, Floats values) {
  const std::int64_t at = row * matrix.stride + col;
  if (matrix.dtype == DType::kF32) {
    float* to = static_cast<float*>(matrix.data) + at;
    if (lanes.count == kLanes) return _mm256_storeu_ps(to, values);
    return _mm256_maskstore_ps(to, dword_mask(lanes), values);
  }
  constexpr int kNearestEven = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  const __m128i codes =
      matrix.dtype == DType::kBF16 ? fp32_to_bf16(values) : _mm256_cvtps_ph(values, kNearestEven);
  auto* to = static_cast<std::uint16_t*>(matrix.data) + at;
  if (lanes.count == kLanes) return _mm_storeu_si128(reinterpret_cast<__m128i*>(to), codes);
  std::memcpy(to, &codes, 2 * static_cast<std::size_t>(lanes.count));
}

// Rounded to int8, saturated; NaN becomes 0.
inline void store_codes(std::int8_t* to, Lanes lanes, Floats values) {
  const Floats numbers = _mm256_and_ps(values, _mm256_cmp_ps(values, values, _CMP_ORD_Q));
  const Ints ints = _mm256_cvtps_epi32(min(broadcast(127.0F), max(broadcast(-128.0F), numbers)));
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(ints), _mm256_extracti128_si256(ints, 1));
  const __m128i codes = _mm_packs_epi16(words, words);
  std::memcpy(to, &codes, static_cast<std::size_t>(lanes.count));
}

// Bits of the largest |x|, in all lanes: they are ordered as the numbers are, NaN above all. Zeros
// behind `count`.
inline Ints largest_magnitude(const void* x, std::int64_t count) {
  const auto* from = static_cast<const std::int32_t*>(x);
  const Ints mask = broadcast(0x7FFFFFFF);
  Ints largest = _mm256_setzero_si256();
  for (std::int64_t i = 0; i < count; i += kLanes) {
    largest = _mm256_max_epi32(largest, _mm256_and_si256(load_ints(from + i), mask));
  }
  largest = _mm256_max_epi32(largest, _mm256_permute2x128_si256(largest, largest, 0x01));
  largest = _mm256_max_epi32(largest, _mm256_shuffle_epi32(largest, 0b01001110));
  return _mm256_max_epi32(largest, _mm256_shuffle_epi32(largest, 0b10110001));
}
inline std::int32_t largest_bits(const void* x, std::int64_t count) {
  return _mm_cvtsi128_si32(_mm256_castsi256_si128(largest_magnitude(x, count)));
}

// Lane i of the result: the whole of vector i.
inline __m128 sum_of_each(const Floats* v) {
  const Floats abcd = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  return _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1));
}

}  // namespace
}  // namespace lowp::kernels
