// What the CUDA quantizers load, compute with and store: eight elements a thread.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "formats/bf16.h"
#include "formats/fp16.h"
#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

inline constexpr int kWarp = 32;
inline constexpr int kEight = 8;
inline constexpr unsigned kAllLanes = 0xFFFFFFFF;

// n / divisor for n below 2^31 by a multiplication (Granlund and Montgomery, PLDI 1994).
struct Divider {
  std::uint32_t divisor;
  std::uint32_t magic;
  std::uint32_t shift;

  explicit Divider(std::int64_t by) : divisor(static_cast<std::uint32_t>(by)), magic(0), shift(0) {
    while ((std::uint64_t{1} << shift) < divisor) ++shift;
    magic =
        static_cast<std::uint32_t>((((std::uint64_t{1} << shift) - divisor) << 32) / divisor + 1);
  }
  __device__ std::uint32_t divide(std::uint32_t n) const {
    return (__umulhi(n, magic) + n) >> shift;
  }
};

template <class T>
struct ScalarOf {
  using Type = std::uint16_t;
};
template <>
struct ScalarOf<Fp32> {
  using Type = float;
};
template <class T>
using Scalar = typename ScalarOf<T>::Type;

// Calls run(T{}) with the type of a matrix's elements.
template <class Run>
void with_element(DType dtype, const Run& run) {
  if (dtype == DType::kBF16) {
    run(Bf16{});
  } else if (dtype == DType::kF16) {
    run(Fp16{});
  } else {
    run(Fp32{});
  }
}

// Eight consecutive elements of a row as they lie in memory; T is Bf16, Fp16 or Fp32.
template <class T>
struct Eight {
  static constexpr int kWords = 4;
  unsigned words[kWords];

  __device__ float at(int i) const {
    const unsigned word = words[i / 2];
    if constexpr (std::is_same_v<T, Bf16>) {
      return __uint_as_float(i % 2 == 0 ? word << 16 : word & 0xFFFF0000U);
    } else {
      const auto half = static_cast<unsigned short>(i % 2 == 0 ? word & 0xFFFFU : word >> 16);
      return __half2float(__ushort_as_half(half));
    }
  }
  // Rounds to T; a NaN loses its payload.
  __device__ void set_pair(int i, float even, float odd) {
    if constexpr (std::is_same_v<T, Bf16>) {
      const __nv_bfloat162_raw pair = __floats2bfloat162_rn(even, odd);
      words[i / 2] = pair.x | static_cast<unsigned>(pair.y) << 16;
    } else {
      const __half2_raw pair = __floats2half2_rn(even, odd);
      words[i / 2] = pair.x | static_cast<unsigned>(pair.y) << 16;
    }
  }
};

template <>
struct Eight<Fp32> {
  static constexpr int kWords = 8;
  unsigned words[kWords];

  __device__ float at(int i) const { return __uint_as_float(words[i]); }
  __device__ void set_pair(int i, float even, float odd) {
    words[i] = __float_as_uint(even);
    words[i + 1] = __float_as_uint(odd);
  }
};

// Whether a load will be the last of its address for a while.
enum class Reuse : std::uint8_t { kNone, kSoon };

// `count` (1 to 8) elements; aligned ones are always eight, at 16 bytes. Places beyond `count`
// repeat the first element, which changes no range.
template <class T, bool kAligned, Reuse kReuse>
__device__ Eight<T> load_eight(const Scalar<T>* x, int count) {
  Eight<T> eight;
  if constexpr (kAligned) {
#pragma unroll
    for (int i = 0; i < Eight<T>::kWords; i += 4) {
      const auto* source = reinterpret_cast<const uint4*>(x) + i / 4;
      const uint4 words = kReuse == Reuse::kNone ? __ldcs(source) : __ldg(source);
      eight.words[i] = words.x;
      eight.words[i + 1] = words.y;
      eight.words[i + 2] = words.z;
      eight.words[i + 3] = words.w;
    }
  } else {
#pragma unroll
    for (int i = 0; i < kEight; i += 2) {
      const Scalar<T> even = x[i < count ? i : 0];
      const Scalar<T> odd = x[i + 1 < count ? i + 1 : 0];
      if constexpr (std::is_same_v<T, Fp32>) {
        eight.set_pair(i, even, odd);
      } else {
        eight.words[i / 2] = even | static_cast<unsigned>(odd) << 16;
      }
    }
  }
  return eight;
}

// The other way, `count` of them.
template <class T, bool kAligned>
__device__ void store_eight(Scalar<T>* out, const Eight<T>& eight, int count) {
  if constexpr (kAligned) {
#pragma unroll
    for (int i = 0; i < Eight<T>::kWords; i += 4) {
      __stcs(reinterpret_cast<uint4*>(out) + i / 4,
             uint4{eight.words[i], eight.words[i + 1], eight.words[i + 2], eight.words[i + 3]});
    }
  } else {
#pragma unroll
    for (int i = 0; i < kEight; ++i) {
      if (i >= count) break;
      if constexpr (std::is_same_v<T, Fp32>) {
        out[i] = eight.at(i);
      } else {
        out[i] = static_cast<std::uint16_t>(eight.words[i / 2] >> i % 2 * 16);
      }
    }
  }
}

// The codes of eight elements, kBits (8 or 4) each, the first in the lowest bits.
template <int kBits>
struct EightCodes {
  unsigned words[kBits / 4];
};

template <int kBits, bool kAligned>
__device__ void store_codes(std::uint8_t* out, const EightCodes<kBits>& codes, int count) {
  if constexpr (!kAligned) {
#pragma unroll
    for (int byte = 0; byte < kBits; ++byte) {
      if (byte * 8 / kBits < count) {
        out[byte] = static_cast<std::uint8_t>(codes.words[byte / 4] >> byte % 4 * 8);
      }
    }
  } else if constexpr (kBits == 8) {
    __stcs(reinterpret_cast<uint2*>(out), uint2{codes.words[0], codes.words[1]});
  } else {
    __stcs(reinterpret_cast<unsigned*>(out), codes.words[0]);
  }
}

template <int kBits, bool kAligned>
__device__ EightCodes<kBits> load_codes(const std::uint8_t* codes, int count) {
  EightCodes<kBits> eight{};
  if constexpr (!kAligned) {
#pragma unroll
    for (int byte = 0; byte < kBits; ++byte) {
      if (byte * 8 / kBits < count) {
        eight.words[byte / 4] |= static_cast<unsigned>(codes[byte]) << byte % 4 * 8;
      }
    }
  } else if constexpr (kBits == 8) {
    const uint2 words = __ldcs(reinterpret_cast<const uint2*>(codes));
    eight.words[0] = words.x;
    eight.words[1] = words.y;
  } else {
    eight.words[0] = __ldcs(reinterpret_cast<const unsigned*>(codes));
  }
  return eight;
}

inline bool is_aligned(const void* pointer, std::uintptr_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

// Whether rows of a matrix can be read as vectors of eight.
template <class AnyMatrix>
bool has_vectors(const AnyMatrix& x) {
  const std::int64_t bytes = x.dtype == DType::kF32 ? 4 : 2;
  return x.cols % kEight == 0 && x.stride * bytes % 16 == 0 && is_aligned(x.data, 16);
}

inline const char* launch_error() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace lowp::kernels
