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

// Least and largest value as integers that order as the floats do. NaN lies outside of [-Inf, Inf].
struct Extremes {
  int min = 0x7FFFFFFF;
  int max = static_cast<int>(0x80000000);

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
    const float low = from_ordered(min);
    const float high = from_ordered(max);
    if (is_nan(low) || is_nan(high)) return {kNaN, kNaN};
    return {__fadd_rn(low, 0.0F), __fadd_rn(high, 0.0F)};  // -0 becomes +0
  }

  template <class T>
  __device__ void add(const Eight<T>& x) {
#pragma unroll
    for (int i = 0; i < kEight; ++i) add(x.at(i));
  }
  __device__ void add(float x) {
    const auto bits = static_cast<int>(__float_as_uint(x));
    const int ordered = bits ^ (bits >> 31 & 0x7FFFFFFF);
    min = ::min(min, ordered);
    max = ::max(max, ordered);
  }

 private:
  __device__ static float from_ordered(int ordered) {
    return __int_as_float(ordered ^ (ordered >> 31 & 0x7FFFFFFF));
  }
};

// The ranges of eight columns.
template <class Found, class T>
struct EachOfEight {
  Found found[kEight];

  __device__ void add(const Eight<T>& x) {
#pragma unroll
    for (int i = 0; i < kEight; ++i) found[i].add(x.at(i));
  }
  __device__ Found at(int i) const { return found[i]; }
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
