// The vectors of AVX2, FMA and F16C under the names that simd_inl.h describes. For avx2.cpp files;
// internal linkage.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace lowp::kernels {
namespace {

using Floats = __m256;
using Ints = __m256i;
using Int16s = __m256i;
using Mask = __m256i;

inline constexpr std::int64_t kLanes = 8;
inline constexpr std::int64_t kStep = 16;

struct Pair {
  Floats a;
  Floats b;
};

inline Floats broadcast(float x) { return _mm256_set1_ps(x); }
inline Ints broadcast(std::int32_t x) { return _mm256_set1_epi32(x); }
inline Int16s broadcast16(std::int32_t x) {
  return _mm256_set1_epi16(static_cast<std::int16_t>(x));
}

inline Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
inline Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
inline Ints round_to_ints(Floats x) { return _mm256_cvtps_epi32(x); }
inline Ints bits_of(Floats x) { return _mm256_castps_si256(x); }
inline Floats floats_of(Ints bits) { return _mm256_castsi256_ps(bits); }

inline Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
inline Ints subtract(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
inline Ints min(Ints a, Ints b) { return _mm256_min_epi32(a, b); }
inline Ints max(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
inline Ints bit_and(Ints a, Ints b) { return _mm256_and_si256(a, b); }
inline Ints bit_or(Ints a, Ints b) { return _mm256_or_si256(a, b); }
template <int kBits>
inline Ints shift_right(Ints x) {
  return _mm256_srli_epi32(x, kBits);
}
// x | (from & mask)
inline Ints insert_bits(Ints x, Ints from, std::int32_t mask) {
  return bit_or(x, bit_and(from, broadcast(mask)));
}
inline Mask greater(Ints a, Ints b) { return _mm256_cmpgt_epi32(a, b); }
inline Ints select(Mask mask, Ints yes, Ints no) { return _mm256_blendv_epi8(no, yes, mask); }

inline Int16s add16(Int16s a, Int16s b) { return _mm256_adds_epi16(a, b); }
inline Int16s subtract16(Int16s a, Int16s b) { return _mm256_sub_epi16(a, b); }
inline Int16s min16(Int16s a, Int16s b) { return _mm256_min_epi16(a, b); }
inline Int16s max16(Int16s a, Int16s b) { return _mm256_max_epi16(a, b); }
inline Int16s bit_xor16(Int16s a, Int16s b) { return _mm256_xor_si256(a, b); }
template <int kBits>
inline Int16s shift_left16(Int16s x) {
  return _mm256_slli_epi16(x, kBits);
}

// `value` where x > limit.
inline Int16s replace_above16(Int16s x, std::int32_t limit, std::int32_t value) {
  return _mm256_blendv_epi8(x, broadcast16(value), _mm256_cmpgt_epi16(x, broadcast16(limit)));
}

// The low halves of a, then those of b; they must fit int16.
inline Int16s join_in_order(Ints a, Ints b) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
}

inline Ints bf16_bits_high(Floats x) {
  const Ints bits = bits_of(x);
  const Ints odd = bit_and(shift_right<16>(bits), broadcast(1));
  const Ints rounded = add(add(bits, broadcast(0x7FFF)), odd);
  const Ints nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return select(nan, bit_or(bits, broadcast(0x00400000)), rounded);
}

inline Floats round_to_bf16(Floats x) {
  return floats_of(bit_and(bf16_bits_high(x), broadcast(static_cast<std::int32_t>(0xFFFF0000))));
}
inline Floats round_to_fp16(Floats x) {
  return _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

// Memory is read and written whole: a shorter run goes through a buffer.
template <class T>
struct Padded {
  alignas(32) T values[kStep] = {};
};
template <class T>
inline Padded<T> padded(const T* values, std::int64_t count) {
  Padded<T> buffer;
  std::memcpy(buffer.values, values, static_cast<std::size_t>(count) * sizeof(T));
  return buffer;
}

// An element type, given how it reads, joins and writes a whole step.
template <class Whole>
struct WithParts : Whole {
  static Pair spread16(const float* x) { return {broadcast(x[0]), broadcast(x[0])}; }
  using Type = typename Whole::Type;
  using Whole::load;
  using Whole::store;
  static Pair load(const Type* x, std::int64_t count) {
    return Whole::load(padded(x, count).values);
  }
  static void store(Type* out, Pair x, std::int64_t count) {
    Padded<Type> buffer;
    Whole::store(buffer.values, x);
    std::memcpy(out, buffer.values, static_cast<std::size_t>(count) * sizeof(Type));
  }
};

struct WholeF32 {
  using Type = float;
  static Pair load(const float* x) { return {_mm256_loadu_ps(x), _mm256_loadu_ps(x + kLanes)}; }
  static Pair order(Pair x) { return x; }
  static Int16s join(Ints a, Ints b) { return join_in_order(a, b); }
  static void store(float* out, Pair x) {
    _mm256_storeu_ps(out, x.a);
    _mm256_storeu_ps(out + kLanes, x.b);
  }
};
using F32 = WithParts<WholeF32>;

inline __m256i load_256(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline void store_128(void* p, __m128i x) { _mm_storeu_si128(static_cast<__m128i*>(p), x); }

struct WholeF16 {
  using Type = std::uint16_t;
  static Pair load(const std::uint16_t* x) { return widen(load_256(x)); }
  static Pair order(Pair x) { return x; }
  static Int16s join(Ints a, Ints b) { return join_in_order(a, b); }
  static void store(std::uint16_t* out, Pair x) {
    store_128(out, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
    store_128(out + kLanes, _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
  }
  static Pair widen(Int16s x) {
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(x)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1))};
  }
};
using F16 = WithParts<WholeF16>;

// Lane order: a holds the even elements, b the odd ones.
struct WholeBF16 {
  using Type = std::uint16_t;
  static Pair load(const std::uint16_t* x) { return widen(load_256(x)); }
  static Pair order(Pair x) {
    const auto in_order = [](Floats values) {
      return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(values), 0xD8));
    };
    return {in_order(_mm256_shuffle_ps(x.a, x.b, 0x88)),
            in_order(_mm256_shuffle_ps(x.a, x.b, 0xDD))};
  }
  static Int16s join(Ints a, Ints b) {
    return _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xAA);
  }
  static void store(std::uint16_t* out, Pair x) {
    const Ints a = shift_right<16>(bf16_bits_high(x.a));
    const Ints b = shift_right<16>(bf16_bits_high(x.b));
    const Int16s joined = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xD8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), joined);
  }
  static Pair widen(Int16s x) {
    return {floats_of(_mm256_slli_epi32(x, 16)),
            floats_of(bit_and(x, broadcast(static_cast<std::int32_t>(0xFFFF0000))))};
  }
};
using BF16 = WithParts<WholeBF16>;

// Codes of kStep elements between memory and 16-bit lanes.
inline void store_saturated(std::int8_t* out, Int16s x) {
  store_128(out, _mm_packs_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}
inline void store_saturated(std::int8_t* out, Int16s x, std::int64_t count) {
  Padded<std::int8_t> buffer;
  store_saturated(buffer.values, x);
  std::memcpy(out, buffer.values, static_cast<std::size_t>(count));
}
// Values of 0 to 255.
inline void store_bytes(std::uint8_t* out, Int16s x) {
  store_128(out, _mm_packus_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}
inline void store_bytes(std::uint8_t* out, Int16s x, std::int64_t count) {
  Padded<std::uint8_t> buffer;
  store_bytes(buffer.values, x);
  std::memcpy(out, buffer.values, static_cast<std::size_t>(count));
}
// In a 32-bit lane: the odd element's nibble lies 16 bits up, its place is 4 bits up.
inline std::int64_t nibble_pairs(Int16s x) {
  const Ints low = bit_and(x, broadcast(0x0F));
  const Ints high = bit_and(shift_right<12>(x), broadcast(0xF0));
  const __m256i bytes =
      _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1,
                       -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i packed = _mm256_shuffle_epi8(bit_or(low, high), bytes);
  return _mm_cvtsi128_si64(
      _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1)));
}
inline void store_nibbles(std::uint8_t* out, Int16s x) {
  const std::int64_t pairs = nibble_pairs(x);
  std::memcpy(out, &pairs, sizeof(pairs));
}
inline void store_nibbles(std::uint8_t* out, Int16s x, std::int64_t count) {
  const std::int64_t pairs = nibble_pairs(x);
  std::memcpy(out, &pairs, static_cast<std::size_t>(count / 2));
}
inline Int16s load_signed_bytes(const std::int8_t* codes) {
  return _mm256_cvtepi8_epi16(load_128(codes));
}
inline Int16s load_signed_bytes(const std::int8_t* codes, std::int64_t count) {
  return load_signed_bytes(padded(codes, count).values);
}
inline Int16s load_bytes(const std::uint8_t* codes) {
  return _mm256_cvtepu8_epi16(load_128(codes));
}
inline Int16s load_bytes(const std::uint8_t* codes, std::int64_t count) {
  return load_bytes(padded(codes, count).values);
}
inline Int16s load_nibbles(const std::uint8_t* codes) {
  const __m128i pairs = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
  const Ints x = _mm256_cvtepu8_epi32(pairs);
  return bit_and(bit_or(x, _mm256_slli_epi32(x, 12)), broadcast(0x000F000F));
}
inline Int16s load_nibbles(const std::uint8_t* codes, std::int64_t count) {
  return load_nibbles(padded(codes, count / 2).values);
}

inline Pair to_floats(Int16s x) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(x))),
          _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_extracti128_si256(x, 1)))};
}

// Integers for scans: kStep of 16 bits, kLanes of 32.
inline Int16s load16(const std::uint16_t* x) { return load_256(x); }
inline Int16s load16(const std::uint16_t* x, std::int64_t count, Int16s otherwise) {
  Padded<std::uint16_t> buffer;
  _mm256_store_si256(reinterpret_cast<__m256i*>(buffer.values), otherwise);
  std::memcpy(buffer.values, x, static_cast<std::size_t>(count) * sizeof(std::uint16_t));
  return load_256(buffer.values);
}
inline Ints load32(const float* x) { return load_256(x); }
inline Ints load32(const float* x, std::int64_t count, Ints otherwise) {
  Padded<float> buffer;
  _mm256_store_si256(reinterpret_cast<__m256i*>(buffer.values), otherwise);
  std::memcpy(buffer.values, x, static_cast<std::size_t>(count) * sizeof(float));
  return load_256(buffer.values);
}

// Bits of fp16 or bf16 (16-bit lanes), of fp32 (32-bit lanes), in the order of the numbers: the
// bits below the sign of negative ones are flipped.
inline Int16s ordered16(Int16s x) {
  return bit_xor16(x, bit_and(_mm256_srai_epi16(x, 15), broadcast16(0x7FFF)));
}
inline Ints ordered32(Ints x) {
  return bit_xor16(x, bit_and(_mm256_srai_epi32(x, 31), broadcast(0x7FFFFFFF)));
}

inline std::int32_t reduce_max32(Ints x) {
  __m128i y = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  y = _mm_max_epi32(y, _mm_shuffle_epi32(y, 0x4E));
  return _mm_cvtsi128_si32(_mm_max_epi32(y, _mm_shuffle_epi32(y, 0xB1)));
}
inline std::int32_t reduce_min32(Ints x) {
  __m128i y = _mm_min_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  y = _mm_min_epi32(y, _mm_shuffle_epi32(y, 0x4E));
  return _mm_cvtsi128_si32(_mm_min_epi32(y, _mm_shuffle_epi32(y, 0xB1)));
}
// phminposuw finds the least of eight unsigned numbers: flip so that this is the one wanted.
inline std::int16_t reduce_max16(Int16s x) {
  const __m128i y = _mm_max_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i flipped = _mm_minpos_epu16(_mm_xor_si128(y, _mm_set1_epi16(0x7FFF)));
  return static_cast<std::int16_t>(_mm_extract_epi16(flipped, 0) ^ 0x7FFF);
}
inline std::int16_t reduce_min16(Int16s x) {
  const __m128i y = _mm_min_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i sign = _mm_set1_epi16(static_cast<std::int16_t>(0x8000));
  const __m128i flipped = _mm_minpos_epu16(_mm_xor_si128(y, sign));
  return static_cast<std::int16_t>(_mm_extract_epi16(flipped, 0) ^ 0x8000);
}

}  // namespace
}  // namespace lowp::kernels
