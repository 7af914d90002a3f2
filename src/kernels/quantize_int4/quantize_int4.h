#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Affine int4 in groups along the columns (numerics 3.1 to 3.3). Codes are two's-complement nibbles
// in [-8, 7], the even column in the low nibble.
//   kSymmetric   scale = amax / 7.5;           x ~ code * scale
//   kAsymmetric  scale = (max - min) / 15;     x ~ (code - zero_point) * scale
//   kFloatZero   scale = max(max - min, 1e-6) / 15, zero = min + 8 * scale; x ~ code * scale +
//   zero;
//                all in fp32: codes are made with the scale before it is rounded to be stored
// A group with NaN has scale NaN and codes of zero_point (0 without one).
struct QuantizeInt4Args {
  Matrix x;                 // (rows, cols)
  std::int64_t group_size;  // even, divides cols
  Mapping mapping;          // kSymmetric, kAsymmetric, kFloatZero
  DType scale_dtype;        // kF32, kBF16, kF16: of the parameters' arithmetic and values
  float epsilon;            // smallest scale
  std::uint8_t* codes;      // (rows, cols / 2)
  float* scale;             // (rows, cols / group_size), values of scale_dtype
  std::int8_t* zero_point;  // as scale; kAsymmetric only
  float* zero;              // as scale; kFloatZero only
  const ParallelFor* parallel;
};

void quantize_int4(const QuantizeInt4Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<QuantizeInt4Args>> quantize_int4_implementations();

}  // namespace lowp::kernels
