// NF4 of QLoRA with torchao's table: blocks of 64 share their largest |x|, and those scales are
// themselves quantized to int8 in blocks of 256 around their mean over the tensor.
#pragma once

#include <cstdint>

#include "formats/bf16.h"
#include "formats/fp16.h"
#include "formats/integers.h"

namespace lowp {

struct Nf4 {
  static constexpr int kBlock = 64;
  static constexpr int kScaleBlock = 256;
  static constexpr std::uint8_t kZeroCode = 7;

  LOWP_HD static constexpr float to_float(std::uint8_t code) {
    constexpr float kTable[16] = {-1.0F,    -0.6962F, -0.5251F, -0.3949F, -0.2844F, -0.1848F,
                                  -0.0911F, 0.0F,     0.0796F,  0.1609F,  0.2461F,  0.3379F,
                                  0.4407F,  0.5626F,  0.723F,   1.0F};
    return kTable[code & 0xF];
  }

  // The nearest entry to x / amax, the first one on a tie. Arithmetic: the weight's type, in which
  // the table is rounded too. A block of zeros or NaN is all zeros.
  template <class Arithmetic = Fp32>
  LOWP_HD static constexpr std::uint8_t quantize(float x, float amax) {
    using A = Arithmetic;
    const float value = A::round(x / amax);
    if (is_nan(value)) return kZeroCode;
    std::uint8_t best = 0;
    float smallest = kInf;
    for (std::uint8_t code = 0; code < 16; ++code) {
      const float distance = absolute(A::round(value - A::round(to_float(code))));
      if (distance < smallest) {
        smallest = distance;
        best = code;
      }
    }
    return best;
  }

  template <class Arithmetic = Fp32>
  LOWP_HD static constexpr float dequantize(std::uint8_t code, float amax) {
    return Arithmetic::round(multiply(Arithmetic::round(to_float(code)), amax));
  }
};

// The factor of one block of scales from the largest |scale - mean| of it.
template <class Arithmetic = Fp32>
LOWP_HD constexpr float nf4_scale_factor(float largest_deviation) {
  return Arithmetic::round(256.0F / Arithmetic::round(2.0F * largest_deviation));
}

template <class Arithmetic = Fp32>
LOWP_HD constexpr int nf4_quantize_scale(float deviation, float factor) {
  return clamp_to_int(round_even(Arithmetic::round(multiply(deviation, factor))), kInt8);
}

template <class Arithmetic = Fp32>
LOWP_HD constexpr float nf4_dequantize_scale(int code, float factor, float mean) {
  using A = Arithmetic;
  return A::round(add(A::round(static_cast<float>(code) / factor), mean));
}

}  // namespace lowp
