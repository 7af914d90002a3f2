// Eight elements a lane, loaded 16 bytes at a time: their magnitudes and their codes. Device code.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cstdint>
#include <type_traits>

#include "formats/dtype.h"
#include "formats/e2m1.h"
#include "formats/e2m3.h"
#include "formats/e3m2.h"
#include "formats/e4m3.h"
#include "formats/e5m2.h"

namespace lowp::kernels {

inline constexpr int kOctet = 8;
inline constexpr unsigned kAllLanes = 0xFFFFFFFF;

// How elements lie in 32-bit words of memory: two bf16 or fp16, the first in the low half, or one
// fp32. Magnitudes order as integers do, NaN on top.
struct Bf16Words {
  static constexpr int kPerWord = 2;
  __device__ static float low(unsigned word) { return __uint_as_float(word << 16); }
  __device__ static float high(unsigned word) { return __uint_as_float(word & 0xFFFF0000U); }
};

struct Fp16Words {
  static constexpr int kPerWord = 2;
  __device__ static float low(unsigned word) {
    return __half2float(__ushort_as_half(static_cast<unsigned short>(word)));
  }
  __device__ static float high(unsigned word) { return low(word >> 16); }
};

struct Fp32Words {
  static constexpr int kPerWord = 1;
  __device__ static float low(unsigned word) { return __uint_as_float(word); }
};

template <class Words>
__device__ unsigned magnitudes(unsigned word) {
  return word & (Words::kPerWord == 2 ? 0x7FFF7FFFU : 0x7FFFFFFFU);
}

template <class Words>
__device__ unsigned max_words(unsigned a, unsigned b) {
  return Words::kPerWord == 2 ? __vmaxu2(a, b) : max(a, b);
}

// Of the larger magnitudes of two words, with any sign; NaN if one is.
template <class Words>
__device__ unsigned larger_magnitudes(unsigned a, unsigned b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 860
  if constexpr (Words::kPerWord == 2) {
    unsigned result;
    if constexpr (std::is_same_v<Words, Bf16Words>) {
      asm("max.NaN.xorsign.abs.bf16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
    } else {
      asm("max.NaN.xorsign.abs.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
    }
    return result;
  }
#endif
  return max_words<Words>(magnitudes<Words>(a), magnitudes<Words>(b));
}

// fp32 bits of the larger magnitude in a word.
template <class Words>
__device__ unsigned max_in_word(unsigned word) {
  if constexpr (Words::kPerWord == 2) word = max(word & 0xFFFFU, word >> 16);
  return __float_as_uint(Words::low(word));
}

template <class Words>
struct Octet {
  static constexpr int kWords = kOctet / Words::kPerWord;
  unsigned words[kWords];

  __device__ static Octet zero() {
    Octet octet;
#pragma unroll
    for (int w = 0; w < kWords; ++w) octet.words[w] = 0;
    return octet;
  }

  // 16-byte aligned, read once.
  __device__ static Octet load(const void* from) {
    Octet octet;
#pragma unroll
    for (int i = 0; i < kWords / 4; ++i) {
      const uint4 four = __ldcs(static_cast<const uint4*>(from) + i);
      octet.words[4 * i] = four.x;
      octet.words[4 * i + 1] = four.y;
      octet.words[4 * i + 2] = four.z;
      octet.words[4 * i + 3] = four.w;
    }
    return octet;
  }

  __device__ float value(int i) const {
    if constexpr (Words::kPerWord == 1) {
      return Words::low(words[i]);
    } else {
      return i % 2 == 0 ? Words::low(words[i / 2]) : Words::high(words[i / 2]);
    }
  }

  // The largest magnitudes, by position within a word.
  __device__ unsigned amax() const {
    unsigned result = words[0];
#pragma unroll
    for (int w = 1; w < kWords; ++w) result = larger_magnitudes<Words>(result, words[w]);
    return magnitudes<Words>(result);
  }
};

// The codes of an octet in memory order: fp8 and fp6 a byte each, e2m1 a nibble, even ones low.
template <class Element>
struct OctetCodes {
  using Type = std::conditional_t<Element::kBits == 4, unsigned, uint2>;
  static constexpr unsigned kBytes = sizeof(Type);
};

template <__nv_fp8_interpretation_t kFp8>
__device__ unsigned encode_fp8(float a, float b, float c, float d) {
  return __nv_cvt_float2_to_fp8x2({a, b}, __NV_SATFINITE, kFp8) |
         static_cast<unsigned>(__nv_cvt_float2_to_fp8x2({c, d}, __NV_SATFINITE, kFp8)) << 16;
}

// Four fp8 codes of a format with more exponent bits than an fp6's, brought to its range: above
// 0x1F the magnitude saturates, the sign goes to bit 5.
__device__ inline unsigned fp6_of_fp8(unsigned codes) {
  const unsigned beyond = codes & 0x60606060U;
  const unsigned saturated = ((beyond | beyond >> 1) >> 5 & 0x01010101U) * 0x1FU;
  return ((codes | saturated) & 0x1F1F1F1FU) | (codes >> 2 & 0x20202020U);
}

// The sign bits of an octet as bit 3 of eight nibbles.
template <class Words>
__device__ unsigned nibble_signs(const Octet<Words>& octet) {
  const auto& w = octet.words;
  unsigned even;  // bytes whose highest bits are the signs of elements 0, 2, 4, 6 ...
  unsigned odd;   // ... and 1, 3, 5, 7
  if constexpr (Words::kPerWord == 2) {
    const unsigned first = __byte_perm(w[0], w[1], 0x7351);
    const unsigned last = __byte_perm(w[2], w[3], 0x7351);
    even = __byte_perm(first, last, 0x5410);
    odd = __byte_perm(first, last, 0x7632);
  } else {
    even = __byte_perm(__byte_perm(w[0], w[2], 0x0073), __byte_perm(w[4], w[6], 0x7300), 0x7610);
    odd = __byte_perm(__byte_perm(w[1], w[3], 0x0073), __byte_perm(w[5], w[7], 0x7300), 0x7610);
  }
  return (odd & 0x80808080U) | (even >> 4 & 0x08080808U);
}

// The signs of x * factor, a positive one; none for NaN, which has no code.
template <class Words>
__device__ unsigned signs_of_products(const Octet<Words>& octet, float factor) {
  return is_nan(factor) ? 0 : nibble_signs(octet);
}

// bf16 times a power of two is exact in bf16, two at a time: `factors` are two alike.
__device__ inline unsigned multiply_pair(unsigned pair, unsigned factors) {
  const __nv_bfloat162 product = __hmul2(*reinterpret_cast<const __nv_bfloat162*>(&pair),
                                         *reinterpret_cast<const __nv_bfloat162*>(&factors));
  return *reinterpret_cast<const unsigned*>(&product);
}

template <__nv_fp8_interpretation_t kFp8>
__device__ uint2 encode_fp8_octet_exact(const Octet<Bf16Words>& octet, unsigned factors) {
  Octet<Bf16Words> y;
#pragma unroll
  for (int w = 0; w < 4; ++w) y.words[w] = multiply_pair(octet.words[w], factors);
  return {encode_fp8<kFp8>(y.value(0), y.value(1), y.value(2), y.value(3)),
          encode_fp8<kFp8>(y.value(4), y.value(5), y.value(6), y.value(7))};
}

template <__nv_fp8_interpretation_t kFp8, class Words>
__device__ uint2 encode_fp8_octet(const Octet<Words>& octet, float factor) {
  float y[kOctet];
#pragma unroll
  for (int i = 0; i < kOctet; ++i) y[i] = __fmul_rn(octet.value(i), factor);
  return {encode_fp8<kFp8>(y[0], y[1], y[2], y[3]), encode_fp8<kFp8>(y[4], y[5], y[6], y[7])};
}

// e2m1's code is the least of 2y, y + 2, y / 2 + 4 and 7, each rounded to even. Adding 2^23 rounds
// to an integer, once; the codes are the low bits of the sums. Any positive factor, or NaN.
template <class Words>
__device__ unsigned encode_e2m1_octet(const Octet<Words>& octet, float factor) {
  constexpr float kInteger = 0x1p23F;
  constexpr unsigned kIntegerBits = 0x4B000000;
  unsigned codes = -(kIntegerBits + (kIntegerBits << 4));  // shifted further it is out of the word
#pragma unroll
  for (int i = 0; i < kOctet; ++i) {
    const float y = __fmul_rn(fabsf(octet.value(i)), factor);
    const int least = __vimin3_s32(__float_as_int(__fmaf_rn(y, 2.0F, kInteger)),
                                   __float_as_int(__fadd_rn(y, kInteger + 2.0F)),
                                   __float_as_int(__fmaf_rn(y, 0.5F, kInteger + 4.0F)));
    codes += static_cast<unsigned>(min(least, static_cast<int>(kIntegerBits + 7))) << (4 * i);
  }
  return codes | signs_of_products(octet, factor);
}

// NaN is the only factor of bf16_reciprocal with a sign.
__device__ inline bool is_nan_factor(unsigned factors) { return static_cast<int>(factors) < 0; }

// The same two by two: bf16 times a power of two is exact in bf16, where 2^7 rounds to an integer.
__device__ inline unsigned encode_e2m1_octet_exact(const Octet<Bf16Words>& octet,
                                                   unsigned factors) {
  const auto pair = [](unsigned bits) { return *reinterpret_cast<__nv_bfloat162*>(&bits); };
  const auto bits = [](__nv_bfloat162 pair) { return *reinterpret_cast<unsigned*>(&pair); };
  unsigned least[4];
#pragma unroll
  for (int w = 0; w < 4; ++w) {
    const __nv_bfloat162 y = __hmul2(__habs2(pair(octet.words[w])), pair(factors));
    least[w] = __vimin3_u16x2(bits(__hfma2(y, pair(0x40004000), pair(0x43004300))),   // 2y + 128
                              bits(__hadd2(y, pair(0x43024302))),                     // y + 130
                              bits(__hfma2(y, pair(0x3F003F00), pair(0x43044304))));  // y / 2 + 132
    least[w] = __vminu2(least[w], 0x43074307);
  }
  const unsigned first = __byte_perm(least[0], least[1], 0x6240);
  const unsigned last = __byte_perm(least[2], least[3], 0x6240);
  const unsigned even = __byte_perm(first, last, 0x5410);
  const unsigned odd = __byte_perm(first, last, 0x7632);
  return is_nan_factor(factors) ? 0x77777777U : even | odd << 4 | nibble_signs(octet);
}

// Codes of x * factor, a power of two or NaN, which makes each code what Element makes of NaN. The
// smallest 32 magnitudes of e4m3 are those of e2m3 times 2^-6, code by code; those of e5m2 are
// e3m2's times 2^-12: nothing is lost by such a factor where a code is not 0.
template <class Element, class Words>
__device__ typename OctetCodes<Element>::Type encode_octet_wide(const Octet<Words>& octet,
                                                                float factor) {
  if constexpr (std::is_same_v<Element, E4m3>) {
    return encode_fp8_octet<__NV_E4M3>(octet, factor);
  } else if constexpr (std::is_same_v<Element, E5m2>) {
    return encode_fp8_octet<__NV_E5M2>(octet, factor);
  } else if constexpr (std::is_same_v<Element, E2m3>) {
    const uint2 codes = encode_fp8_octet<__NV_E4M3>(octet, __fmul_rn(factor, 0x1p-6F));
    return {fp6_of_fp8(codes.x), fp6_of_fp8(codes.y)};
  } else if constexpr (std::is_same_v<Element, E3m2>) {
    const uint2 codes = encode_fp8_octet<__NV_E5M2>(octet, __fmul_rn(factor, 0x1p-12F));
    return {fp6_of_fp8(codes.x), fp6_of_fp8(codes.y)};
  } else {
    return encode_e2m1_octet(octet, factor);
  }
}

// The same with the factor as two bf16 alike, which holds every power of two that a scale has.
template <class Element, class Words>
__device__ typename OctetCodes<Element>::Type encode_octet(const Octet<Words>& octet,
                                                           unsigned factors) {
  constexpr bool kExact = std::is_same_v<Words, Bf16Words>;
  if constexpr (kExact && std::is_same_v<Element, E4m3>) {
    return encode_fp8_octet_exact<__NV_E4M3>(octet, factors);
  } else if constexpr (kExact && std::is_same_v<Element, E5m2>) {
    return encode_fp8_octet_exact<__NV_E5M2>(octet, factors);
  } else if constexpr (kExact && std::is_same_v<Element, E2m1>) {
    return encode_e2m1_octet_exact(octet, factors);
  } else {
    return encode_octet_wide<Element>(octet, __uint_as_float(factors & 0xFFFF0000U));
  }
}

// E8m0::reciprocal(scale) as the bits of a bf16.
__device__ inline unsigned bf16_reciprocal(unsigned scale) {
  unsigned bits = (254U - scale) << 7;
  if (scale == 254) bits = 0x0040;  // 2^-127
  if (scale == 255) bits = 0xFFC0;  // NaN
  return bits;
}

// Reduces over the four lanes that differ in `high` and `low`, two powers of two: of kWords words
// lane 2 * (lane & high) + (lane & low) keeps the largest of its quarter, at the front.
template <class Words, int kWords>
__device__ void max_over_four_lanes(unsigned (&words)[kWords], unsigned lane, unsigned high,
                                    unsigned low) {
#pragma unroll
  for (int half = kWords / 2; half >= kWords / 4; half /= 2) {
    const unsigned bit = half == kWords / 2 ? high : low;
    const bool upper = (lane & bit) != 0;
#pragma unroll
    for (int w = 0; w < half; ++w) {
      const unsigned sent = upper ? words[w] : words[half + w];
      const unsigned kept = upper ? words[half + w] : words[w];
      words[w] = max_words<Words>(kept, __shfl_xor_sync(kAllLanes, sent, bit));
    }
  }
}

// Calls f(Words{}) for the dtype of an input; false for any other.
template <class Function>
bool with_words(DType dtype, Function&& f) {
  switch (dtype) {
    case DType::kBF16:
      f(Bf16Words{});
      return true;
    case DType::kF16:
      f(Fp16Words{});
      return true;
    case DType::kF32:
      f(Fp32Words{});
      return true;
    default:
      return false;
  }
}

inline bool is_aligned(const void* pointer, std::uintptr_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

inline const char* last_launch_error() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace lowp::kernels
