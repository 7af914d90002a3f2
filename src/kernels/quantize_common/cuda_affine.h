// What the affine integer schemes share on the GPU.
#pragma once

#include "formats/affine.h"
#include "kernels/quantize_common/cuda_blocks.h"

namespace lowp::kernels {

struct AffineEncoding {
  float reciprocal;
  int zero_point;
  static constexpr bool fast = true;
};

__device__ inline AffineEncoding affine_encoding(float scale, int zero_point) {
  return {affine_reciprocal(scale), zero_point};
}

__device__ inline AffineEncoding affine_from_lane(const AffineEncoding& encoding, int lane,
                                                  int width) {
  return {__shfl_sync(kAllLanes, encoding.reciprocal, lane, width),
          __shfl_sync(kAllLanes, encoding.zero_point, lane, width)};
}

// affine_quantize: the conversion rounds to even and saturates, and makes NaN 0, whose code is the
// zero point. The zero point is subtracted from the bounds, so that no sum overflows.
__device__ inline int encode_affine(float x, const AffineEncoding& encoding, IntRange range) {
  const int steps = __float2int_rn(__fmul_rn(x, encoding.reciprocal));
  return encoding.zero_point +
         max(range.min - encoding.zero_point, min(range.max - encoding.zero_point, steps));
}

}  // namespace lowp::kernels
