// The Hadamard transform (Sylvester's order, orthonormal) that spreads outliers over a chunk, and
// its form with random signs for the gradients of NVFP4 training.
#pragma once

#include <cstdint>

#include "formats/bf16.h"

namespace lowp {

// In place, kSize a power of two up to 256: log2(kSize) stages of sums and differences in fp32,
// then one factor 1 / sqrt(kSize). Twice is the identity.
template <int kSize>
LOWP_HD constexpr void hadamard(float* x) {
  static_assert(kSize > 0 && kSize <= 256 && (kSize & (kSize - 1)) == 0);
  for (int stride = 1; stride < kSize; stride *= 2) {
    for (int i = 0; i < kSize; ++i) {
      if ((i & stride) != 0) continue;
      const float low = x[i];
      const float high = x[i + stride];
      x[i] = add(low, high);
      x[i + stride] = add(low, -high);
    }
  }
  constexpr float kRoots[] = {1.0F,         0.70710678F, 0.5F,         0.35355339F, 0.25F,
                              0.176776695F, 0.125F,      0.088388348F, 0.0625F};
  int log2 = 0;
  while (1 << log2 < kSize) ++log2;
  for (int i = 0; i < kSize; ++i) x[i] = multiply(x[i], kRoots[log2]);
}

inline constexpr int kRhtSize = 16;

// Bit i set: element i is negated. TransformerEngine's default.
inline constexpr std::uint16_t kRhtDefaultSigns = 0b1101'0111'1110'1000;

// 16 values along M times diag(signs) * H / 4, rounded to bf16: what amax and codes are taken of.
LOWP_HD constexpr void random_hadamard(float* x, std::uint16_t signs = kRhtDefaultSigns) {
  for (int i = 0; i < kRhtSize; ++i) {
    if ((signs >> i & 1) != 0) x[i] = -x[i];
  }
  hadamard<kRhtSize>(x);
  for (int i = 0; i < kRhtSize; ++i) x[i] = Bf16::round(x[i]);
}

}  // namespace lowp
