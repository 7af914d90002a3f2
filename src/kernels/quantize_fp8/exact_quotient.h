#pragma once

#include <cmath>

#include "formats/float_bits.h"

namespace lowp::kernels {

// A divisor in the range where exact_quotient holds, and its reciprocal, rounded once.
struct Divisor {
  float value;
  float reciprocal;
};

// x / divisor, rounded once, without a division: one Newton step on x * reciprocal gives the
// correctly rounded quotient because the reciprocal is correctly rounded and the residual is exact
// (P. Markstein, IBM J. Res. Dev. 34, 1990). Holds while nothing underflows: divisor in
// [2^-69, 2^92], |x| at least 2^-90 or so small that the quotient is below 2^-20 in any case.
// Three operations where a division takes ten.
// The residual is taken with its sign turned, so that the sign of a zero survives.
LOWP_HD inline float exact_quotient(float x, const Divisor& divisor) {
#if defined(__CUDA_ARCH__)
  const float near = __fmul_rn(x, divisor.reciprocal);
  const float excess = __fmaf_rn(near, divisor.value, -x);
  return __fmaf_rn(-excess, divisor.reciprocal, near);
#else
  const float near = x * divisor.reciprocal;
  const float excess = std::fma(near, divisor.value, -x);
  return std::fma(-excess, divisor.reciprocal, near);
#endif
}

}  // namespace lowp::kernels
