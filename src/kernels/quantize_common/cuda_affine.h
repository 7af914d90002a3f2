// Affine integers with an integer zero point as the block kernels take them. Codes and parameters
// are bit-equal to those of the reference.
#pragma once

#include "formats/affine.h"
#include "kernels/quantize_common/cuda_blocks.h"

namespace lowp::kernels {

// Two numbers below 2^15 rounded to even, in the halves of a word: the sum has no fraction bits.
__device__ inline unsigned rounded_pair(float even, float odd) {
  constexpr float kInteger = 0x1.8p23F;
  return __byte_perm(__float_as_uint(__fadd_rn(even, kInteger)),
                     __float_as_uint(__fadd_rn(odd, kInteger)), 0x5410);
}

// Two codes in the halves of a word brought together in the lowest bits.
template <int kBits>
__device__ unsigned pack_pair(unsigned codes) {
  if constexpr (kBits == 8) return __byte_perm(codes, 0, 0x4420);
  codes &= 0x000F000FU;
  return (codes | codes >> 12) & 0xFFU;
}

constexpr unsigned both_halves(int value) {
  return (static_cast<unsigned>(value) & 0xFFFFU) * 0x10001U;
}

// Args: those of quantize_int8 or quantize_int4.
template <class Found_, int kBits_>
struct AffineScheme {
  using Found = Found_;
  static constexpr int kBits = kBits_;
  static constexpr IntRange kRange = signed_range(kBits);

  // fast: no quotient is NaN or large, because the scale comes from finite values.
  struct Encoding {
    float reciprocal;
    int zero_point;
    bool fast;
  };

  Mapping mapping;
  DType scale_dtype;
  float epsilon;
  float* scale;
  std::int8_t* zero_point;

  template <class Args>
  explicit AffineScheme(const Args& args)
      : mapping(args.mapping),
        scale_dtype(args.scale_dtype),
        epsilon(args.epsilon),
        scale(args.scale),
        zero_point(args.zero_point) {}

  __host__ __device__ bool scans() const { return true; }

  __device__ static Encoding encoding_of(float reciprocal, int zero_point) {
    return {reciprocal, zero_point, reciprocal >= 0x1p-100F && reciprocal <= 0x1p100F};
  }
  __device__ Encoding finish(Found found, std::int64_t index, bool stores) const {
    const auto [min, max] = found.get();
    const AffineParams params =
        choose_affine_params(scale_dtype, min, max, mapping, kRange, epsilon);
    if (stores) {
      scale[index] = params.scale;
      if (zero_point != nullptr) zero_point[index] = static_cast<std::int8_t>(params.zero_point);
    }
    return encoding_of(affine_reciprocal(params.scale), params.zero_point);
  }
  __device__ Encoding stored(std::int64_t index) const {
    return encoding_of(affine_reciprocal(scale[index]),
                       zero_point == nullptr ? 0 : zero_point[index]);
  }
  __device__ Encoding prepared(const Encoding& encoding) const { return encoding; }
  __device__ Encoding from_lane(const Encoding& encoding, int lane, int width) const {
    return encoding_of(__shfl_sync(kAllLanes, encoding.reciprocal, lane, width),
                       __shfl_sync(kAllLanes, encoding.zero_point, lane, width));
  }

  // affine_quantize of any number: the conversion rounds to even and saturates, and makes NaN 0,
  // whose code is the zero point. That is subtracted from the bounds, so that no sum overflows.
  __device__ static int encode(float x, const Encoding& encoding) {
    const int steps = __float2int_rn(__fmul_rn(x, encoding.reciprocal));
    return encoding.zero_point +
           max(kRange.min - encoding.zero_point, min(kRange.max - encoding.zero_point, steps));
  }

  template <bool kFast>
  __device__ unsigned encode_pair(float even, float odd, const Encoding& of_even,
                                  const Encoding& of_odd) const {
    unsigned codes;
    if constexpr (kFast) {
      const unsigned steps =
          rounded_pair(__fmul_rn(even, of_even.reciprocal), __fmul_rn(odd, of_odd.reciprocal));
      const unsigned zero = __byte_perm(of_even.zero_point, of_odd.zero_point, 0x5410);
      codes =
          __vmins2(__viaddmax_s16x2(steps, zero, both_halves(kRange.min)), both_halves(kRange.max));
    } else {
      codes = __byte_perm(encode(even, of_even), encode(odd, of_odd), 0x5410);
    }
    return pack_pair<kBits>(codes);
  }
};

}  // namespace lowp::kernels
