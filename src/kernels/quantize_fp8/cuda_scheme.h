// Float8 with float scales as the block kernels of quantize_common take it. Codes and scales are
// bit-equal to those of the reference but for the sign of NaN.
#pragma once

#include <cuda_fp8.h>

#include "formats/fp8_scale.h"
#include "kernels/quantize_common/cuda_blocks.h"
#include "kernels/quantize_fp8/exact_quotient.h"
#include "kernels/quantize_fp8/quantize_fp8.h"

namespace lowp::kernels {

template <class Element>
struct CudaFp8Scheme {
  using Found = Amax;
  static constexpr int kBits = 8;

  // fast: every quotient is one that exact_quotient gives. Otherwise it comes of a product in fp64,
  // which rounds to the same fp32: no quotient of two fp32 numbers lies within 2^-49 of the middle
  // between two others, unless it is the middle.
  struct Encoding {
    Divisor divisor;
    double wide_reciprocal;  // of prepared() alone
    bool fast;
  };

  const float* static_scale;
  float* scale;
  DType scale_dtype;
  bool power_of_two;

  explicit CudaFp8Scheme(const QuantizeFp8Args& args)
      : static_scale(args.static_scale),
        scale(args.scale),
        scale_dtype(args.scale_dtype),
        power_of_two(args.power_of_two) {}

  __host__ __device__ bool scans() const { return static_scale == nullptr; }

  __device__ float scale_of(float amax) const {
    if (power_of_two) return fp8_power_of_two_scale<Element>(amax);
    return fp8_scale<Element>(scale_dtype, amax);
  }

  // A scale that comes from the block's amax bounds the quotients. One of Inf or NaN is not in
  // range.
  __device__ Encoding encoding_of(Divisor divisor) const {
    const bool in_range = divisor.value >= 0x1p-69F && divisor.value <= 0x1p91F;
    return {divisor, 0.0, in_range && static_scale == nullptr};
  }
  __device__ Encoding encoding_of(float value) const {
    return encoding_of(Divisor{value, __frcp_rn(value)});
  }

  __device__ Encoding finish(Amax amax, std::int64_t index, bool stores) const {
    const float value = scans() ? scale_of(amax.get().max) : static_scale[index];
    if (stores) scale[index] = value;
    return encoding_of(value);
  }
  __device__ Encoding prepared(Encoding encoding) const {
    encoding.wide_reciprocal = __drcp_rn(encoding.divisor.value);
    return encoding;
  }
  __device__ Encoding from_lane(const Encoding& encoding, int lane, int width) const {
    return encoding_of(Divisor{__shfl_sync(kAllLanes, encoding.divisor.value, lane, width),
                               __shfl_sync(kAllLanes, encoding.divisor.reciprocal, lane, width)});
  }
  __device__ Encoding stored(std::int64_t index) const { return encoding_of(scale[index]); }

  template <bool kFast>
  __device__ static float quotient(float x, const Encoding& encoding) {
    return kFast ? exact_quotient(x, encoding.divisor)
                 : static_cast<float>(static_cast<double>(x) * encoding.wide_reciprocal);
  }

  // Rounded to nearest even, saturated.
  template <bool kFast>
  __device__ unsigned encode_pair(float even, float odd, const Encoding& of_even,
                                  const Encoding& of_odd) const {
    constexpr auto kFormat = std::is_same_v<Element, E4m3> ? __NV_E4M3 : __NV_E5M2;
    return __nv_cvt_float2_to_fp8x2({quotient<kFast>(even, of_even), quotient<kFast>(odd, of_odd)},
                                    __NV_SATFINITE, kFormat);
  }
};

// Calls run(scheme) with the scheme of these arguments.
template <class Run>
auto with_fp8_scheme(const QuantizeFp8Args& args, const Run& run) {
  return args.element == DType::kF8E4M3 ? run(CudaFp8Scheme<E4m3>(args))
                                        : run(CudaFp8Scheme<E5m2>(args));
}

}  // namespace lowp::kernels
