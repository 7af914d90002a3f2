// The choices that a quantizer's formula depends on; the formulas are in affine.h, mx.h, nvfp4.h.
#pragma once

#include <cstdint>

namespace lowp {

// numerics: how the parameters of affine quantization follow from a block's range.
enum class Mapping : std::uint8_t {
  kSymmetric,                   // scale from amax, codes around 0
  kSymmetricNoClippingError,    // scale so that neither end is clipped
  kAsymmetric,                  // integer zero point; zero is representable
  kAsymmetricZeroNotPreserved,  // integer zero point from the plain range
  kFloatZero,                   // float zero: value = code * scale + zero
};

// How the E8M0 scale of an MX block follows from its amax (OCP MX v1.0; cuBLAS for kRceil).
enum class MxScaleMode : std::uint8_t { kFloor, kCeil, kEven, kRceil };

enum class Nvfp4Recipe : std::uint8_t { kInference, kTraining };

}  // namespace lowp
