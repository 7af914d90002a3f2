// The range of a block: what threads find in their elements, and how they put it together.
#pragma once

#include "formats/float_bits.h"
#include "kernels/quantize_common/cuda_elements.h"

namespace lowp::kernels {

// As runtime/range.h has it: if a value is NaN both are, and zeros are +0.
struct Bounds {
  float min;
  float max;
};

// Bits of the largest |x|. As integers they order as the numbers do, NaN on top.
struct Amax {
  unsigned bits = 0;

  __device__ void merge(Amax other) { bits = max(bits, other.bits); }
  __device__ Amax of_warp() const { return {__reduce_max_sync(kAllLanes, bits)}; }
  __device__ Amax from_lane(int distance) const {
    return {__shfl_xor_sync(kAllLanes, bits, distance)};
  }
  __device__ Bounds get() const {
    const float amax = __uint_as_float(bits);
    return {is_nan(amax) ? amax : -amax, amax};
  }

  template <class T>
  __device__ void add(const Eight<T>& x) {
    if constexpr (std::is_same_v<T, Fp32>) {
#pragma unroll
      for (const unsigned word : x.words) bits = max(bits, word & ~kSignBit);
    } else {
      // Both halves of a word at once; to fp32 only at the end: that keeps the order.
      unsigned pair = 0;
#pragma unroll
      for (const unsigned word : x.words) pair = __vmaxu2(pair, word & 0x7FFF7FFFU);
      const Eight<T> largest{{max(pair & 0xFFFFU, pair >> 16)}};
      bits = max(bits, __float_as_uint(largest.at(0)));
    }
  }
  __device__ void add(float x) { bits = max(bits, abs_bits(x)); }
};

// Integers that order as the floats do, NaN outside of [-Inf, Inf]; the way back is the same.
__device__ inline int ordered(int bits) { return bits ^ (bits >> 31 & 0x7FFFFFFF); }
// Of the two 16-bit floats in a word.
__device__ inline unsigned ordered_pair(unsigned word) {
  unsigned signs;  // through all of each half
  asm("prmt.b32 %0, %1, %1, 0xBB99;" : "=r"(signs) : "r"(word));
  return word ^ (signs & 0x7FFF7FFFU);
}

__device__ inline Bounds bounds_of(float low, float high) {
  if (is_nan(low) || is_nan(high)) return {kNaN, kNaN};
  return {__fadd_rn(low, 0.0F), __fadd_rn(high, 0.0F)};  // -0 becomes +0
}

// Least and largest value of elements of T. In one word for 16 bits: the largest in the low half,
// the complement of the least in the upper, so that both grow.
template <class T>
struct Extremes {
  unsigned pair = 0x80008000;

  __device__ static Extremes of(unsigned high, unsigned low) {
    return {__byte_perm(high, ~low, 0x5410)};
  }
  __device__ void merge(Extremes other) { pair = __vmaxs2(pair, other.pair); }
  __device__ Extremes of_warp() const {
    const int high = __reduce_max_sync(kAllLanes, static_cast<short>(pair));
    const int least = __reduce_max_sync(kAllLanes, static_cast<int>(pair) >> 16);
    return of(high, ~least);
  }
  __device__ Extremes from_lane(int distance) const {
    return {__shfl_xor_sync(kAllLanes, pair, distance)};
  }
  __device__ Bounds get() const {
    const unsigned both = ordered_pair(pair ^ 0xFFFF0000U);
    const Eight<T> values{{both}};
    return bounds_of(values.at(1), values.at(0));
  }

  __device__ void add(const Eight<T>& x) {
    unsigned high = ordered_pair(x.words[0]);
    unsigned low = high;
#pragma unroll
    for (int w = 1; w < Eight<T>::kWords; ++w) {
      high = __vmaxs2(high, ordered_pair(x.words[w]));
      low = __vmins2(low, ordered_pair(x.words[w]));
    }
    merge(of(high, low));
    merge(of(high >> 16, low >> 16));
  }
};

template <>
struct Extremes<Fp32> {
  int min = 0x7FFFFFFF;
  int max = static_cast<int>(0x80000000);

  __device__ static Extremes of(unsigned high, unsigned low) {
    return {static_cast<int>(low), static_cast<int>(high)};
  }
  __device__ void merge(Extremes other) {
    min = ::min(min, other.min);
    max = ::max(max, other.max);
  }
  __device__ Extremes of_warp() const {
    return {__reduce_min_sync(kAllLanes, min), __reduce_max_sync(kAllLanes, max)};
  }
  __device__ Extremes from_lane(int distance) const {
    return {__shfl_xor_sync(kAllLanes, min, distance), __shfl_xor_sync(kAllLanes, max, distance)};
  }
  __device__ Bounds get() const {
    return bounds_of(__int_as_float(ordered(min)), __int_as_float(ordered(max)));
  }

  __device__ void add(const Eight<Fp32>& x) {
#pragma unroll
    for (const unsigned word : x.words) {
      const int value = ordered(static_cast<int>(word));
      merge({value, value});
    }
  }
};

// The ranges of eight columns.
template <class Found, class T>
struct EachOfEight;

template <class T>
struct EachOfEight<Extremes<T>, T> {
  static constexpr bool kPairs = !std::is_same_v<T, Fp32>;
  unsigned high[Eight<T>::kWords];
  unsigned low[Eight<T>::kWords];

  __device__ EachOfEight() {
#pragma unroll
    for (int w = 0; w < Eight<T>::kWords; ++w) {
      high[w] = kPairs ? 0x80008000 : 0x80000000;
      low[w] = ~high[w];
    }
  }
  __device__ void add(const Eight<T>& x) {
#pragma unroll
    for (int w = 0; w < Eight<T>::kWords; ++w) {
      if constexpr (kPairs) {
        high[w] = __vmaxs2(high[w], ordered_pair(x.words[w]));
        low[w] = __vmins2(low[w], ordered_pair(x.words[w]));
      } else {
        const int value = ordered(static_cast<int>(x.words[w]));
        high[w] = max(static_cast<int>(high[w]), value);
        low[w] = min(static_cast<int>(low[w]), value);
      }
    }
  }
  __device__ Extremes<T> at(int i) const {
    if constexpr (!kPairs) return Extremes<T>::of(high[i], low[i]);
    return Extremes<T>::of(high[i / 2] >> i % 2 * 16, low[i / 2] >> i % 2 * 16);
  }
};

// As bits in x's own type, two in a word if they fit: that keeps the order.
template <class T>
struct EachOfEight<Amax, T> {
  Eight<T> amax{};

  __device__ static unsigned larger(unsigned a, unsigned b) {
    return std::is_same_v<T, Fp32> ? max(a, b) : __vmaxu2(a, b);
  }
  __device__ static unsigned magnitude(unsigned word) {
    return word & (std::is_same_v<T, Fp32> ? ~kSignBit : 0x7FFF7FFFU);
  }
  __device__ void add(const Eight<T>& x) {
#pragma unroll
    for (int i = 0; i < Eight<T>::kWords; ++i) {
      amax.words[i] = larger(amax.words[i], magnitude(x.words[i]));
    }
  }
  __device__ void merge_lane(int distance) {
#pragma unroll
    for (unsigned& word : amax.words) {
      word = larger(word, __shfl_xor_sync(kAllLanes, word, distance));
    }
  }
  __device__ Amax at(int i) const { return {__float_as_uint(amax.at(i))}; }
};

inline constexpr int kMaxWarps = 32;

// The range of all threads' ranges, given to all. Blocks are whole warps; `of_warp` is free again
// after the caller's next barrier.
template <class Found>
__device__ Found of_thread_block(Found found, Found (&of_warp)[kMaxWarps]) {
  const unsigned lane = threadIdx.x % kWarp;
  found = found.of_warp();
  if (lane == 0) of_warp[threadIdx.x / kWarp] = found;
  __syncthreads();
  return (lane < blockDim.x / kWarp ? of_warp[lane] : Found{}).of_warp();
}

}  // namespace lowp::kernels
