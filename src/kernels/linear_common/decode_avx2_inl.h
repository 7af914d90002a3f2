// Codes to fp32 steps, in the order that they lie along K. For files of level avx2: internal
// linkage. The functions on rows write whole vectors, zeros behind the last element.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "formats/e2m1.h"
#include "kernels/linear_common/avx2_vector_inl.h"
#include "kernels/linear_common/elements_inl.h"

namespace lowp::kernels {
namespace {

// The first bytes at `data`, at most 8 or 4 of them, zeros behind.
inline __m128i load_bytes_64(const void* data, std::int64_t bytes) {
  if (bytes >= 8) return _mm_loadl_epi64(static_cast<const __m128i*>(data));
  return load_bytes_128(data, bytes);
}
inline std::int32_t load_bytes_32(const void* data, std::int64_t bytes) {
  std::int32_t dword = 0;
  if (bytes >= 4) {
    std::memcpy(&dword, data, sizeof(dword));
  } else {
    std::memcpy(&dword, data, static_cast<std::size_t>(bytes));
  }
  return dword;
}

// Codes in the high bytes of dwords, zeros below. Exponent and mantissa go where fp32 has them;
// what the exponents' biases differ by is a factor, which makes subnormals right too.
inline Floats e4m3_to_fp32(Ints high_bytes) {
  const Ints bits =
      _mm256_and_si256(_mm256_srai_epi32(high_bytes, 4), broadcast(static_cast<int>(0x87F00000)));
  const Floats value = _mm256_mul_ps(_mm256_castsi256_ps(bits), broadcast(0x1p120F));
  const Ints magnitude = _mm256_and_si256(high_bytes, broadcast(0x7F000000));
  const Ints nan = _mm256_cmpeq_epi32(magnitude, broadcast(0x7F000000));
  return _mm256_or_ps(value, _mm256_castsi256_ps(nan));
}

// 8 codes, in the low bytes.
inline Floats e4m3_to_fp32(__m128i codes) {
  return e4m3_to_fp32(_mm256_slli_epi32(_mm256_cvtepu8_epi32(codes), 24));
}

// 8 codes, each the high byte of an fp16 number.
inline Floats e5m2_to_fp32(__m128i codes) {
  return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(codes), 8));
}

inline Floats int8_to_fp32(__m128i codes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
}

// 8 nibbles of a dword, each in the high bits of one.
inline Ints spread_nibbles(std::int32_t codes) {
  return _mm256_sllv_epi32(broadcast(codes), _mm256_setr_epi32(28, 24, 20, 16, 12, 8, 4, 0));
}

inline Floats int4_to_fp32(std::int32_t codes) {
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(spread_nibbles(codes), 28));
}

inline Floats e2m1_to_fp32(std::int32_t codes) {
  const Floats magnitudes =
      _mm256_setr_ps(E2m1::to_float(0), E2m1::to_float(1), E2m1::to_float(2), E2m1::to_float(3),
                     E2m1::to_float(4), E2m1::to_float(5), E2m1::to_float(6), E2m1::to_float(7));
  const Ints high = spread_nibbles(codes);
  // The index is a dword's low three bits.
  const Floats value = _mm256_permutevar8x32_ps(magnitudes, _mm256_srli_epi32(high, 28));
  const Floats sign =
      _mm256_castsi256_ps(_mm256_and_si256(high, broadcast(static_cast<std::int32_t>(0x80000000))));
  return _mm256_or_ps(value, sign);
}

// e8m0 bytes to fp32; byte 0 is the subnormal 2^-127.
inline Floats e8m0_to_fp32(__m128i codes) {
  const Ints exponent = _mm256_cvtepu8_epi32(codes);
  const Ints nan = _mm256_cmpeq_epi32(exponent, broadcast(255));
  const Ints bits = _mm256_max_epi32(_mm256_slli_epi32(exponent, 23), broadcast(0x00400000));
  return _mm256_castsi256_ps(_mm256_or_si256(bits, nan));
}

inline void e8m0_scales(const std::uint8_t* codes, std::int64_t count, float* values) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    store_floats(values + i, e8m0_to_fp32(load_bytes_64(codes + i, count - i)));
  }
}

inline void e4m3_scales(const std::uint8_t* codes, std::int64_t count, float* values) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    store_floats(values + i, e4m3_to_fp32(load_bytes_64(codes + i, count - i)));
  }
}

// values *= -codes
inline void multiply_by_minus(const std::int8_t* codes, std::int64_t count, float* values) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const Floats minus =
        subtract(broadcast(0.0F), int8_to_fp32(load_bytes_64(codes + i, count - i)));
    store_floats(values + i, multiply(minus, load_floats(values + i)));
  }
}

// get(i, count): 8 numbers from element i on, of which `count` (or all) exist.
template <class Get>
void store_fp32(std::int64_t count, std::int32_t* steps, const Get& get) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store_floats(steps + i, get(i, kLanes));
  if (i < count) store_floats(steps + i, get(i, count - i));
}

inline void int8_to_steps(const std::int8_t* codes, std::int64_t count, std::int32_t* steps) {
  store_fp32(count, steps, [codes](std::int64_t i, std::int64_t left) {
    return int8_to_fp32(load_bytes_64(codes + i, left));
  });
}

inline void int4_to_steps(const std::uint8_t* codes, std::int64_t count, std::int32_t* steps) {
  store_fp32(count, steps, [codes](std::int64_t i, std::int64_t left) {
    return int4_to_fp32(load_bytes_32(codes + i / 2, left / 2));
  });
}

// As in steps_inl.h; the steps of every format of this level are fp32.
template <class Codes>
void e4m3_to_steps(const std::uint8_t* codes, std::int64_t count, std::int32_t* steps) {
  store_fp32(count, steps, [codes](std::int64_t i, std::int64_t left) {
    return e4m3_to_fp32(load_bytes_64(codes + i, left));
  });
}

template <class Codes>
void e5m2_to_steps(const std::uint8_t* codes, std::int64_t count, std::int32_t* steps) {
  store_fp32(count, steps, [codes](std::int64_t i, std::int64_t left) {
    return e5m2_to_fp32(load_bytes_64(codes + i, left));
  });
}

template <class Codes>
void e2m1_to_steps(const std::uint8_t* codes, std::int64_t count, std::int32_t* steps) {
  store_fp32(count, steps, [codes](std::int64_t i, std::int64_t left) {
    return e2m1_to_fp32(load_bytes_32(codes + i / 2, left / 2));
  });
}

}  // namespace
}  // namespace lowp::kernels
